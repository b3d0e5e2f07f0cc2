//! The keys and certificates of one control plane, created for each.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

/// The certificate authority that the API server and its clients trust.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, both as PEM.
pub(crate) struct Credentials {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The pair with which tokens of service accounts are signed and checked, both as PEM.
pub(crate) struct TokenKeys {
    pub(crate) private: String,
    pub(crate) public: String,
}

/// How many groups a client certificate can name.
pub(crate) const MAX_GROUPS: usize = 2;

/// rcgen keeps one value per attribute type; the same type under its number is another one to it.
fn organizations() -> [DnType; MAX_GROUPS] {
    [
        DnType::OrganizationName,
        DnType::CustomDnType(vec![2, 5, 4, 10]),
    ]
}

impl Authority {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "control-plane");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
        ];
        Ok(Self(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?))
    }

    /// The certificate by which those that it issued are checked, as PEM.
    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// For a server that is reached at these addresses.
    pub(crate) fn server(
        &self,
        name: &str,
        addresses: &[Ipv4Addr],
    ) -> Result<Credentials, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let addresses = addresses.iter().copied();
        params.subject_alt_names = addresses.map(IpAddr::V4).map(SanType::IpAddress).collect();
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a user as the API server understands it: the common name is the user, each organization a group. Groups
    /// beyond [`MAX_GROUPS`] are left out.
    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Result<Credentials, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        for (organization, group) in organizations().into_iter().zip(groups) {
            params.distinguished_name.push(organization, *group);
        }
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<Credentials, rcgen::Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Credentials {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl TokenKeys {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let pair = KeyPair::generate()?;
        Ok(Self {
            private: pair.serialize_pem(),
            public: pair.public_key_pem(),
        })
    }
}
