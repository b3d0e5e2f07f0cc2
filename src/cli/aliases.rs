//! Aliases that are given on the command line.

use std::str::FromStr;

use crate::api::AliasSpec;
use crate::bedrock::aliases::Alias;

/// The most aliases of a resource, and the most candidates of one.
const MAX_ALIASES: usize = 64;
const MAX_CANDIDATES: usize = 16;

/// Variables that `claude-code.json` sets itself.
const RESERVED: [&str; 2] = ["AWS_REGION", "CLAUDE_CODE_USE_BEDROCK"];

/// `NAME=MODEL,…` or `NAME:ENV=MODEL,…`, as `spec.aliases` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AliasArgument(AliasSpec);

/// Why the aliases cannot be used, in the words of the API server's rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AliasError {
    #[error("must be NAME=MODEL or NAME:VARIABLE=MODEL, such as chat=anthropic.claude-sonnet-*")]
    Form,
    #[error(
        "name {0:?} must be a DNS label: lower-case letters, digits and -, beginning and ending with a letter or a digit"
    )]
    Name(String),
    #[error(
        "{0:?} must be the name of an environment variable: letters, digits and _, not beginning with a digit, and none of AWS_REGION and CLAUDE_CODE_USE_BEDROCK"
    )]
    Env(String),
    #[error("{0:?} must be a model ID or a glob on model IDs")]
    Model(String),
    #[error("at most {MAX_CANDIDATES} models of an alias are tried")]
    TooManyModels,
    #[error("at most {MAX_ALIASES} aliases are rendered")]
    TooManyAliases,
    #[error("two aliases have the name {0}")]
    DuplicateName(String),
    #[error("two aliases have the environment variable {0}")]
    DuplicateEnv(String),
}

impl FromStr for AliasArgument {
    type Err = AliasError;

    fn from_str(text: &str) -> Result<Self, AliasError> {
        let (names, models) = text.split_once('=').ok_or(AliasError::Form)?;
        let (name, env) = match names.split_once(':') {
            Some((name, env)) => (name, Some(env)),
            None => (names, None),
        };
        if !is_dns_label(name) {
            return Err(AliasError::Name(name.to_owned()));
        }
        if let Some(env) = env.filter(|env| !is_env(env)) {
            return Err(AliasError::Env(env.to_owned()));
        }
        let models: Vec<&str> = models.split(',').map(str::trim).collect();
        if let Some(model) = models.iter().find(|model| !is_candidate(model)) {
            return Err(AliasError::Model((*model).to_owned()));
        }
        if models.len() > MAX_CANDIDATES {
            return Err(AliasError::TooManyModels);
        }
        Ok(Self(AliasSpec {
            name: name.to_owned(),
            env: env.map(str::to_owned),
            models: models.into_iter().map(str::to_owned).collect(),
        }))
    }
}

/// The aliases, if no two have the same name or variable.
pub(super) fn aliases(arguments: &[AliasArgument]) -> Result<Vec<Alias>, AliasError> {
    if arguments.len() > MAX_ALIASES {
        return Err(AliasError::TooManyAliases);
    }
    let aliases: Vec<Alias> = arguments.iter().map(|a| Alias::from(&a.0)).collect();
    for (index, alias) in aliases.iter().enumerate() {
        let mut before = aliases.iter().take(index);
        if before.clone().any(|other| other.name == alias.name) {
            return Err(AliasError::DuplicateName(alias.name.clone()));
        }
        if before.any(|other| other.env == alias.env) {
            return Err(AliasError::DuplicateEnv(alias.env.clone()));
        }
    }
    Ok(aliases)
}

fn is_dns_label(name: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.chars().all(|c| is_alphanumeric(c) || c == '-')
        && name.starts_with(is_alphanumeric)
        && name.ends_with(is_alphanumeric)
}

fn is_env(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !RESERVED.contains(&name)
}

fn is_candidate(model: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._:*?/-".contains(c);
    (1..=256).contains(&model.len()) && model.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alias_has_a_name_candidates_and_perhaps_a_variable() {
        let cases = [
            ("chat=a.b-v1:0", ("chat", "BEDROCK_MODEL_CHAT")),
            ("chat:ANTHROPIC_MODEL=a.*, b.c", ("chat", "ANTHROPIC_MODEL")),
        ];
        for (text, (name, env)) in cases {
            let alias = Alias::from(&text.parse::<AliasArgument>().unwrap().0);
            assert_eq!((&*alias.name, &*alias.env), (name, env), "{text}");
        }
        let two: AliasArgument = "chat=a.*, b.c".parse().unwrap();
        assert_eq!(two.0.models, ["a.*", "b.c"]);
    }

    #[test]
    fn invalid_alias_is_refused_with_the_reason() {
        let name = |name: &str| AliasError::Name(name.into());
        let env = |env: &str| AliasError::Env(env.into());
        let many = format!("chat={}a", "a,".repeat(16));
        let cases = [
            ("chat", AliasError::Form),
            ("=a", name("")),
            ("Chat=a", name("Chat")),
            ("-c=a", name("-c")),
            ("c:=a", env("")),
            ("c:1A=a", env("1A")),
            ("c:A-B=a", env("A-B")),
            ("c:AWS_REGION=a", env("AWS_REGION")),
            ("c=", AliasError::Model(String::new())),
            ("c=a b", AliasError::Model("a b".into())),
            (&*many, AliasError::TooManyModels),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<AliasArgument>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn names_and_variables_that_collide_are_refused() {
        let of = |texts: &[&str]| {
            let arguments: Vec<AliasArgument> = texts.iter().map(|t| t.parse().unwrap()).collect();
            aliases(&arguments).map(|aliases| aliases.len())
        };
        assert_eq!(of(&["a=x", "b=x"]), Ok(2));
        assert_eq!(
            of(&["a=x", "a=y"]),
            Err(AliasError::DuplicateName("a".into()))
        );
        let collision = Err(AliasError::DuplicateEnv("BEDROCK_MODEL_A_B".into()));
        assert_eq!(of(&["a-b=x", "c:BEDROCK_MODEL_A_B=x"]), collision);
        let many: Vec<String> = (0..65).map(|n| format!("a{n}=x")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(of(&many), Err(AliasError::TooManyAliases));
    }
}
