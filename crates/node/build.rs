//! Emits the link arguments that a Node.js addon needs.

fn main() {
    napi_build::setup();
}
