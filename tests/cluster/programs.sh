# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # Others use what is set here; cluster.sh sets what is not.
# The programs of the work tree that run in pods, and those that visitors and people of a test run. Sourced, never run: after
# cluster.sh.

target=$(rustc -vV | sed -n 's/^host: //p')
built=$root/target/$target/pods
shop=$built/tidegate-shop

# build_static FLAG…: as cargo takes them; needs no library where it runs.
build_static() {
    RUSTFLAGS="-C target-feature=+crt-static" nice -n 19 cargo build --quiet --locked --target "$target" \
        --manifest-path "$root/Cargo.toml" "$@"
}
# Built fast, and together: one by one they would want other features of what they share, and have it compiled each time.
build_programs() {
    build_static --profile pods --bins --package tidegate-proxy --package tidegate-cluster --package tidegate-shop \
        --package tidegate-kubectl
}
