# The first process of a machine. Arguments: the script that runs the command, the machine's folder, the command.
set -eu
run=$1
folder=$2
shift 2
umask 022

# The fixed paths of containerd and the kubelet lead into the folder.
mkdir -p "$folder/var/lib" "$folder/var/log" "$folder/sysctl"
mount -t tmpfs tmpfs /run
mount --bind "$folder/var/lib" /var/lib
mount --bind "$folder/var/log" /var/log

# The parent of all containers' cgroups: of cgroup v2 there is one hierarchy, of v1 one for each controller.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir "/sys/fs/cgroup/${folder##*/}"
else
    for hierarchy in /sys/fs/cgroup/*/; do
        [ -L "${hierarchy%/}" ] || mkdir "$hierarchy${folder##*/}"
    done
fi

# The kubelet insists on these settings, which are those of the whole kernel: here they are plain files.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=$folder/sysctl/$(echo "${setting%=*}" | tr / .)
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
done

ip link set lo up
ip address add "$MACHINE_SERVICE_ADDRESS/32" dev lo
ip address add "$MACHINE_NODE_ADDRESS/32" dev lo

exec sh -c "$run" sh "$@"
