# Makes an OCI archive of one layer. Arguments: the image's name, its root folder, its architecture, its configuration
# as JSON, the archive.
set -eu
name=$1
root=$2
architecture=$3
config=$4
archive=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
blobs=$work/blobs/sha256
mkdir -p "$blobs"

digest=''
# Keeps a file as a blob, and its digest in $digest.
keep() {
    digest=$(sha256sum "$1" | cut -d ' ' -f 1)
    mv "$1" "$blobs/$digest"
}

# Prints how OCI refers to the blob of $digest. Argument: the end of its media type.
descriptor() {
    printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%s}' \
        "$1" "$digest" "$(stat -c %s "$blobs/$digest")"
}

tar --directory "$root" --create --file "$work/layer" --sort name --mtime @0 --owner 0 --group 0 --numeric-owner .
keep "$work/layer"
layer=$(descriptor layer.v1.tar)

printf '{"os":"linux","architecture":"%s","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$architecture" "$config" "$digest" >"$work/config"
keep "$work/config"

printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
    "$(descriptor config.v1+json)" "$layer" >"$work/manifest"
keep "$work/manifest"
manifest=$(descriptor manifest.v1+json)

printf '{"schemaVersion":2,"manifests":[%s,"annotations":{"io.containerd.image.name":"%s"}}]}' \
    "${manifest%\}}" "$name" >"$work/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
tar --directory "$work" --create --file "$archive" oci-layout index.json blobs
