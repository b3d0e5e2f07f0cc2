# Runs a machine, and takes away what of it the kernel does not.
# Arguments: the script of its first process, that of its program, its folder, a command.
# stdin closes when the machine is to end; stdout keeps the folder until it has.
init=$1
folder=$3
shift

# Waits until the first process is gone, and with it, by the kernel's doing, all others, their mounts and their network.
unshare --net --mount --ipc --pid --fork --kill-child --mount-proc sh -c "$init" sh "$@"
status=$?

for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    cgroup=$hierarchy/${folder##*/}
    [ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} +
done
exit $status
