//! Where each file of a control plane is, on which ports its servers listen, and how its programs are configured.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::certificates::{Authority, TokenKeys};
use crate::machine::SERVICE_ADDRESS;
use crate::{kubeconfig, ports};

/// Addresses of a control plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Site {
    /// On this machine's loopback interface, for clients on it. No node.
    Loopback,
    /// All over a machine of its own, for Pods too.
    Machine,
}

/// Admission that concerns nodes, volumes and ingresses, of which there are none on [`Site::Loopback`]. All of it is known to every
/// supported version: the API server does not start with a name that it does not know.
const NEEDLESS_ADMISSION: &str = "DefaultIngressClass,DefaultStorageClass,DefaultTolerationSeconds,\
    PersistentVolumeClaimResize,RuntimeClass,StorageObjectInUseProtection,TaintNodesByCondition";

/// What tests see the effects of: objects go with their owners and with their namespace, a namespace gets its default
/// service account and the `ConfigMap` `kube-root-ca.crt`, and the cluster roles `view`, `edit` and `admin` their rules.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,\
    root-ca-certificate-publisher-controller,clusterrole-aggregation-controller";

/// The folder of etcd's data, and that of its backup.
const ETCD: &str = "etcd";
const ETCD_BACKUP: &str = "etcd-backup";

pub(crate) struct Layout {
    folder: PathBuf,
    site: Site,
    pub(crate) etcd_port: u16,
    pub(crate) api_server_port: u16,
}

impl Layout {
    /// With free ports, and the keys, certificates and kubeconfigs written into the folder.
    pub(crate) fn prepare(folder: &Path, authority: &Authority, site: Site) -> Result<Self, Error> {
        let [etcd_port, free_port] = ports::free().map_err(|cause| Error::Io {
            action: "find free ports".to_owned(),
            cause,
        })?;
        let layout = Self {
            folder: folder.to_owned(),
            site,
            etcd_port,
            api_server_port: match site {
                Site::Loopback => free_port,
                // That of the service `kubernetes`.
                Site::Machine => 443,
            },
        };
        let server = authority.server("kube-apiserver", &[Ipv4Addr::LOCALHOST, SERVICE_ADDRESS])?;
        let kubelet_client = authority.client("kube-apiserver", &["system:masters"])?;
        let tokens = TokenKeys::new()?;
        let admin = layout.kubeconfig_for(authority, "admin", &["system:masters"])?;
        let controllers =
            layout.kubeconfig_for(authority, "system:kube-controller-manager", &[])?;
        let files = [
            ("ca.crt", authority.certificate()),
            ("apiserver.crt", server.certificate),
            ("apiserver.key", server.key),
            ("kubelet-client.crt", kubelet_client.certificate),
            ("kubelet-client.key", kubelet_client.key),
            ("tokens.key", tokens.private),
            ("tokens.pub", tokens.public),
            ("kubeconfig", admin),
            ("kube-controller-manager.kubeconfig", controllers),
        ];
        files
            .into_iter()
            .try_for_each(|(name, content)| fs::write(folder.join(name), content))
            .map_err(|cause: io::Error| Error::Io {
                action: format!("write to {}", folder.display()),
                cause,
            })?;
        Ok(layout)
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The content of a kubeconfig with a new certificate.
    pub(crate) fn kubeconfig_for(
        &self,
        authority: &Authority,
        user: &str,
        groups: &[&str],
    ) -> Result<String, Error> {
        let server = format!("https://127.0.0.1:{}", self.api_server_port);
        let credentials = authority.client(user, groups)?;
        Ok(kubeconfig::render(
            &server,
            &authority.certificate(),
            &credentials,
        ))
    }

    pub(crate) fn etcd_arguments(&self) -> Vec<String> {
        let port = self.etcd_port;
        vec![
            format!("--data-dir={}", self.file(ETCD)),
            format!("--listen-client-urls=http://127.0.0.1:{port}"),
            format!("--advertise-client-urls=http://127.0.0.1:{port}"),
            // A single member talks to no peer.
            "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
            // The data need not survive the machine, only a kill of the process, and for that the page cache is enough.
            "--unsafe-no-fsync".to_owned(),
            // The most that etcd recommends: thousands of resources need more than its default of 2 GiB.
            "--quota-backend-bytes=8589934592".to_owned(),
            "--log-level=warn".to_owned(),
        ]
    }

    /// Copies etcd's data; etcd must not run.
    pub(crate) fn back_up_etcd(&self) -> Result<(), Error> {
        replace_folder(&self.folder.join(ETCD), &self.folder.join(ETCD_BACKUP))
    }

    /// Replaces etcd's data by the backup; etcd must not run.
    pub(crate) fn restore_etcd(&self) -> Result<(), Error> {
        replace_folder(&self.folder.join(ETCD_BACKUP), &self.folder.join(ETCD))
    }

    pub(crate) fn api_server_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            format!("--secure-port={}", self.api_server_port),
            // Not resolved, which would fail on a machine without a route, and not published as an endpoint.
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.254.0.0/24".to_owned(),
            format!("--tls-cert-file={}", self.file("apiserver.crt")),
            format!("--tls-private-key-file={}", self.file("apiserver.key")),
            format!("--client-ca-file={}", self.file("ca.crt")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", self.file("tokens.pub")),
            format!(
                "--service-account-signing-key-file={}",
                self.file("tokens.key")
            ),
            "--profiling=false".to_owned(),
        ];
        match self.site {
            Site::Loopback => arguments.extend([
                "--bind-address=127.0.0.1".to_owned(),
                format!("--disable-admission-plugins={NEEDLESS_ADMISSION}"),
            ]),
            Site::Machine => arguments.extend([
                "--bind-address=0.0.0.0".to_owned(),
                "--enable-admission-plugins=NodeRestriction".to_owned(),
                // For logs and exec.
                format!(
                    "--kubelet-client-certificate={}",
                    self.file("kubelet-client.crt")
                ),
                format!("--kubelet-client-key={}", self.file("kubelet-client.key")),
                format!("--kubelet-certificate-authority={}", self.file("ca.crt")),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ]),
        }
        arguments
    }

    pub(crate) fn controller_manager_arguments(&self) -> Vec<String> {
        vec![
            format!(
                "--kubeconfig={}",
                self.file("kube-controller-manager.kubeconfig")
            ),
            // Serves no requests, and so needs no port and no certificate.
            "--secure-port=0".to_owned(),
            "--leader-elect=false".to_owned(),
            format!(
                "--controllers={}",
                match self.site {
                    Site::Loopback => CONTROLLERS,
                    Site::Machine => "*",
                }
            ),
            // Its own user may do little; each controller has the role that Kubernetes gives it.
            "--use-service-account-credentials=true".to_owned(),
            format!("--root-ca-file={}", self.file("ca.crt")),
            // At the default rate its start alone takes 6 s.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
            "--profiling=false".to_owned(),
        ]
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// Puts a copy of one folder in the place of another.
fn replace_folder(from: &Path, to: &Path) -> Result<(), Error> {
    let replace = || {
        if to.exists() {
            fs::remove_dir_all(to)?;
        }
        copy_folder(from, to)
    };
    replace().map_err(|cause| Error::Io {
        action: format!("copy {} to {}", from.display(), to.display()),
        cause,
    })
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    // etcd refuses a folder that others may read.
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
