//! What has ended because a transmitter of security events has reported it. Such ends have tables of their own: whatever transmitters
//! report takes no room from sign-outs and from the providers' own logout tokens, nor these from it. Which sessions a transmitter may
//! end is not known here.

use crate::session::ended::pieces::{Pieces, Size};

/// The table of each provider: 1,048,576 marks, each of 16 bytes.
pub(super) const SIZE: Size = Size { pieces: 1_024, marks: 1_024 };

/// What the names of these tables begin with.
const PREFIX: &str = "reported/";

/// The name of the table of what was reported of this provider's sessions. No provider has such a name.
pub(super) fn table_of(provider: &str) -> String {
    [PREFIX, provider].concat()
}

/// The ends that transmitters have reported.
pub(super) struct ReportedEnds {
    /// One table for each provider, whether a transmitter is configured for it now or not: with its name.
    pub(super) tables: Vec<(String, Pieces)>,
}

impl ReportedEnds {
    /// Nothing is known yet.
    pub(super) fn new<'a>(providers: impl Iterator<Item = &'a str>) -> Self {
        let table = |provider: &str| (table_of(provider), Pieces::new(&table_of(provider), SIZE));
        Self { tables: providers.map(table).collect() }
    }

    /// The table of what was reported of this provider's sessions.
    pub(super) fn table_for(&mut self, provider: &str) -> Option<&mut Pieces> {
        let is_its = |name: &str| name.strip_prefix(PREFIX) == Some(provider);
        self.tables.iter_mut().find(|(name, _)| is_its(name)).map(|(_, table)| table)
    }
}
