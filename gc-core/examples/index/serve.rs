//! `--serve PORT`: the debug server beside the work, until Enter is pressed.

use gc_core::{Heap, HeapBuilder};

#[cfg(feature = "debug-server")]
pub(crate) use with::Serving;
#[cfg(not(feature = "debug-server"))]
pub(crate) use without::Serving;

#[cfg(feature = "debug-server")]
mod with {
    use super::{Heap, HeapBuilder};
    use gc_core::{DebugServer, HeapProfile};
    use std::io::{self, BufRead, Write};

    /// The server, if one was asked for.
    pub(crate) struct Serving(Option<DebugServer>);

    impl Serving {
        /// A builder of a heap that is to be looked at.
        pub(crate) fn prepare(port: Option<u16>, builder: HeapBuilder) -> HeapBuilder {
            if port.is_some() { builder.profile_rate(HeapProfile::RATE) } else { builder }
        }
        pub(crate) fn start(port: Option<u16>, heap: &Heap) -> Result<Serving, String> {
            let Some(port) = port else { return Ok(Serving(None)) };
            let server = DebugServer::start(heap, port).map_err(|error| error.to_string())?;
            let _ = writeln!(io::stderr(), "look at http://{}", server.address());
            Ok(Serving(Some(server)))
        }
        /// Waits for Enter, or for the end of the input.
        pub(crate) fn wait(self) {
            if self.0.is_some() {
                let _ = writeln!(io::stderr(), "done, and still served; press Enter to end");
                let _ = io::stdin().lock().read_line(&mut String::new());
            }
        }
    }
}

#[cfg(not(feature = "debug-server"))]
mod without {
    use super::{Heap, HeapBuilder};

    pub(crate) struct Serving;

    impl Serving {
        pub(crate) fn prepare(_: Option<u16>, builder: HeapBuilder) -> HeapBuilder {
            builder
        }
        pub(crate) fn start(port: Option<u16>, _: &Heap) -> Result<Serving, String> {
            let how = "--serve needs the feature: cargo run --release -p gc-core --example index \
                       --features debug-server -- --serve 6060";
            if port.is_some() { Err(how.to_owned()) } else { Ok(Serving) }
        }
        pub(crate) fn wait(self) {}
    }
}
