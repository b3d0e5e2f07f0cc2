use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The secret access key and the session token of all credentials given.
pub const SECRETS: [&str; 2] = ["simulated-secret-key", "simulated-session-token"];

/// A role whose credentials the simulator issues, and the callers that may assume it.
#[derive(Clone, Debug)]
pub struct Role {
    arn: String,
    external_id: Option<String>,
    web_identity_token: Option<String>,
    container_token: Option<String>,
    lifetime: Duration,
}

impl Role {
    /// A role that anyone may assume, for an hour.
    pub fn new(arn: &str) -> Self {
        Self {
            arn: arn.to_owned(),
            external_id: None,
            web_identity_token: None,
            container_token: None,
            lifetime: Duration::from_hours(1),
        }
    }

    /// Who assumes it has to give this external id.
    #[must_use]
    pub fn external_id(mut self, id: &str) -> Self {
        self.external_id = Some(id.to_owned());
        self
    }

    /// Who has this web identity token gets it too (IRSA).
    #[must_use]
    pub fn web_identity_token(mut self, token: &str) -> Self {
        self.web_identity_token = Some(token.to_owned());
        self
    }

    /// Who has this token gets it from the container credentials endpoint too (EKS Pod Identity).
    #[must_use]
    pub fn container_token(mut self, token: &str) -> Self {
        self.container_token = Some(token.to_owned());
        self
    }

    /// Its credentials expire that soon after they were given. Real ones live 15 minutes at least.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// The name, without path.
    fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }
}

/// A session of a role: requested, or the identity of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// ARN of the role.
    pub role: String,
    /// The session's name.
    pub name: String,
    /// The external id given, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The requested duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
}

/// Credentials given.
pub(crate) struct Issued {
    pub(crate) access_key_id: String,
    pub(crate) assumed_role_arn: String,
    pub(crate) expires_at: Timestamp,
}

/// Whether a key is accepted.
pub(crate) enum Standing {
    /// Not one of ours: any is good.
    Foreign,
    Good(Session),
    Expired(Session),
    /// It has the form of our keys, and was never given.
    Unknown,
}

/// The roles there are, and the credentials given. Both can be changed at any time.
#[derive(Debug, Default)]
pub struct Identities(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    roles: BTreeMap<String, Role>,
    keys: BTreeMap<String, (Session, Timestamp)>,
}

impl Identities {
    /// Adds a role, or changes it. Credentials given stay good.
    pub fn add(&self, role: Role) {
        self.lock().roles.insert(role.arn.clone(), role);
    }

    /// Removes a role: it gives no more credentials. Those already given stay valid.
    pub fn remove(&self, arn: &str) {
        self.lock().roles.remove(arn);
    }

    /// The access key ids given so far for a role, in order.
    pub fn keys(&self, arn: &str) -> Vec<String> {
        let known = self.lock();
        let of_role = known.keys.iter().filter(|(_, (s, _))| s.role == arn);
        of_role.map(|(key, _)| key.clone()).collect()
    }

    /// Credentials for who assumes a role, if it has what the role asks for.
    pub(crate) fn assume(&self, session: Session) -> Option<Issued> {
        let given = session.external_id.clone();
        let allows = |role: &Role| role.external_id.is_none() || role.external_id == given;
        self.lock().issue(session, allows)
    }

    pub(crate) fn assume_with_token(&self, session: Session, token: &str) -> Option<Issued> {
        let allows = |role: &Role| role.web_identity_token.as_deref() == Some(token);
        self.lock().issue(session, allows)
    }

    pub(crate) fn of_container(&self, token: &str) -> Option<Issued> {
        let mut known = self.lock();
        let has_token = |role: &&Role| role.container_token.as_deref() == Some(token);
        let role = known.roles.values().find(has_token)?.arn.clone();
        let session = Session {
            role,
            name: "eks-simulated-pod".to_owned(),
            ..Session::default()
        };
        known.issue(session, |_| true)
    }

    pub(crate) fn standing(&self, key: &str) -> Standing {
        match self.lock().keys.get(key) {
            Some((session, expires_at)) if *expires_at > Timestamp::now() => {
                Standing::Good(session.clone())
            }
            Some((session, _)) => Standing::Expired(session.clone()),
            None if key.starts_with("ASIA") => Standing::Unknown,
            None => Standing::Foreign,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn issue(&mut self, session: Session, allows: impl Fn(&Role) -> bool) -> Option<Issued> {
        let role = self.roles.get(&session.role).filter(|role| allows(role))?;
        let issued = Issued {
            access_key_id: format!("ASIA{:016}", self.keys.len() + 1),
            assumed_role_arn: format!(
                "arn:aws:sts::{}:assumed-role/{}/{}",
                role.account(),
                role.name(),
                session.name
            ),
            expires_at: Timestamp::now() + role.lifetime,
        };
        let key = issued.access_key_id.clone();
        self.keys.insert(key, (session, issued.expires_at));
        Some(issued)
    }
}
