//! The configuration of containerd and the kubelet.

use std::net::Ipv4Addr;
use std::path::Path;

/// The image that holds a Pod's namespaces open, and that tests may use: a shell and the usual small programs.
pub const BUSYBOX: &str = "localhost/busybox:1";

/// Where containerd serves.
pub(crate) const SOCKET: &str = "/run/containerd/containerd.sock";

/// Containers' files are copies: an overlay cannot lie on the overlay that is the root of many a CI machine.
pub(crate) const SNAPSHOTTER: &str = "native";

/// A network among the Pods of the node, and with the machine itself: each Pod has an address on one bridge.
pub(crate) const NETWORK: &str = r#"{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [{
    "type": "bridge",
    "bridge": "pods",
    "isGateway": true,
    "ipam": {
      "type": "host-local",
      "ranges": [[{"subnet": "10.244.0.0/24"}]],
      "routes": [{"dst": "0.0.0.0/0"}],
      "dataDir": "/run/cni"
    }
  }]
}
"#;

/// With its data where it is by default, which on a machine of its own is in the machine's folder.
pub(crate) fn containerd(network: &Path, plugins: &Path) -> String {
    format!(
        r#"version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
]

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{BUSYBOX}"
  # A root without CAP_SYS_RESOURCE may not lower the score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{network}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{SNAPSHOTTER}"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"#,
        plugins = plugins.display(),
        network = network.display(),
    )
}

/// What the kubelet's configuration depends on.
pub(crate) struct Kubelet<'a> {
    pub(crate) address: Ipv4Addr,
    /// The parent of all containers' cgroups.
    pub(crate) cgroup: &'a str,
    pub(crate) certificate: &'a Path,
    pub(crate) key: &'a Path,
    pub(crate) authority: &'a str,
}

impl Kubelet<'_> {
    pub(crate) fn render(&self) -> String {
        let Self {
            address,
            cgroup,
            certificate,
            key,
            authority,
        } = self;
        format!(
            r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {address}
readOnlyPort: 0
healthzPort: 0
tlsCertFile: {certificate}
tlsPrivateKeyFile: {key}
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: false}}
  x509: {{clientCAFile: {authority}}}
authorization: {{mode: AlwaysAllow}}
containerRuntimeEndpoint: unix://{SOCKET}
# Nothing is reserved or limited for the node as a whole, so that nothing depends on the machine's hierarchy of cgroups.
cgroupDriver: cgroupfs
cgroupRoot: {cgroup}
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
# A root without CAP_SYS_RESOURCE may not lower it.
oomScoreAdj: 0
makeIPTablesUtilChains: false
# There is no DNS.
resolvConf: ""
# How soon a changed ConfigMap is seen in a Pod; one minute by default.
syncFrequency: 1s
configMapAndSecretChangeDetectionStrategy: Watch
nodeStatusUpdateFrequency: 5s
# The machine's disk and memory are not this node's to guard.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard:
  memory.available: "0%"
  nodefs.available: "0%"
  nodefs.inodesFree: "0%"
  imagefs.available: "0%"
  imagefs.inodesFree: "0%"
"#,
            certificate = certificate.display(),
            key = key.display(),
        )
    }
}
