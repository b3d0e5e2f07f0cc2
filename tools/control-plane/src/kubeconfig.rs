//! Kubeconfig: address of the API server and identity of the client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificates::Credentials;

/// A kubeconfig that needs no other file: certificates and key are within.
pub(crate) fn render(server: &str, authority: &str, credentials: &Credentials) -> String {
    let [authority, certificate, key] =
        [authority, &credentials.certificate, &credentials.key].map(|pem| STANDARD.encode(pem));
    format!(
        "\
apiVersion: v1
kind: Config
clusters:
- name: control-plane
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: user
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: control-plane
  context:
    cluster: control-plane
    user: user
current-context: control-plane
"
    )
}
