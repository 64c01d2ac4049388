# Shortcuts for the tasks that CI runs (`cargo install just`). `cargo xtask` works without just.
_default:
    @just --list --unsorted

# rustfmt, tidy, licences and banned crates, clippy
check:
    cargo xtask check

# everything that CI runs
test:
    cargo xtask test

# replay one simulated run
sim SEED:
    cargo xtask sim {{SEED}}

# run the load generator on the release binary
bench *ARGS:
    cargo xtask bench {{ARGS}}

# run the README's commands and compare their output with the page
readme:
    cargo xtask readme
