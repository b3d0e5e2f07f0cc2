# The release pins the digest of the base image; see its workflow. Built natively for each platform: no cross compiler, and no emulator but that of the builder.
FROM rust:1.95.0-slim-trixie AS build
# The toolchain is the image's; without this rustup would fetch what rust-toolchain.toml names for development.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
# The caches are the builder's, and not a part of any layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    scripts/build-release.sh /out/bedrock-model-map

# The program, and the certificate authorities that it trusts: no shell, no libc, no package.
FROM scratch
LABEL org.opencontainers.image.title=bedrock-model-map
LABEL org.opencontainers.image.source=https://github.com/bedrock-model-map/bedrock-model-map
LABEL org.opencontainers.image.licenses=Apache-2.0
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bedrock-model-map /usr/bin/bedrock-model-map
COPY LICENSE /usr/share/doc/bedrock-model-map/LICENSE
# One heap for all threads of libc's allocator: 25 resources of all regions take half the memory.
ENV MALLOC_ARENA_MAX=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/bedrock-model-map"]
