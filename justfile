# `just` lists these; CI calls the same. (`cargo install just`, or use `cargo xtask` directly.)
_default:
    @just --list --unsorted

# format, house rules, licences and bans, clippy
check:
    cargo xtask check

# everything that CI runs
test:
    cargo xtask test

# replay one simulated run
sim SEED:
    cargo xtask sim {{SEED}}

# the load generator on the release binary
bench *ARGS:
    cargo xtask bench {{ARGS}}

# run the README's commands and compare their output with the page
readme:
    cargo xtask readme
