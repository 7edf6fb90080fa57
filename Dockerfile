# The operator's image: one static binary and the certificate authorities that it trusts, nothing else.
#
#   docker build --tag sqlserver-backup-operator:0.1.0 .
#
# There is no shell, no package and no writable file in it, so there is nothing to patch but the binary. The stage `build`
# can be replaced by a folder with the same `/out`, as `--build-context build=DIR` does, for binaries that were built
# outside: tools/image.sh and the release do so, with one binary for each architecture.

# Alpine's C library is musl and its Rust links it statically by itself. Pinned to the compiler that the checks use.
FROM docker.io/library/rust:1.95.0-alpine AS build
# amd64 or arm64; the builder sets it.
ARG TARGETARCH
# ring compiles C.
RUN apk add --no-cache ca-certificates gcc musl-dev
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin sqlserver-backup-operator \
    && install -D -m 0755 target/release/sqlserver-backup-operator "/out/$TARGETARCH/sqlserver-backup-operator" \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/ca-certificates.crt

FROM scratch
ARG TARGETARCH
LABEL org.opencontainers.image.title="sqlserver-backup-operator" \
      org.opencontainers.image.description="Backups of TencentDB for SQL Server: exactly one for each SqlServerBackup" \
      org.opencontainers.image.licenses="Apache-2.0"
# Without it no connection to the cloud could be verified, and the program would not start.
COPY --from=build /out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/${TARGETARCH}/sqlserver-backup-operator /sqlserver-backup-operator
# A number, so that the kubelet can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/sqlserver-backup-operator"]
CMD ["run"]
