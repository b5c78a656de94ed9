//! Places in a file. A text that stands inside of another file, such as JSON in a block of YAML, has places in that file.

/// A line and a column of a file, both from 1. Columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It stands in the lines of a file: so many lines below its first one, and so many columns to the right.
    Lines {
        /// How many lines of the file come before the text.
        above: usize,
        /// How many columns of the file come before each of its lines.
        indent: usize,
    },
    /// Its lines are not those of the file (a text in quotation marks, or encoded): all of it is at this place.
    One(Spot),
}

impl Origin {
    /// The origin of a text that is a file itself.
    pub(crate) const FILE: Self = Self::Lines { above: 0, indent: 0 };

    /// The place in the file of this line and column of the text, both from 1.
    pub(crate) fn spot(self, line: usize, column: usize) -> Spot {
        match self {
            Self::Lines { above, indent } => Spot { line: line.saturating_add(above), column: column.saturating_add(indent) },
            Self::One(spot) => spot,
        }
    }

    /// The origin of a text that stands inside of this one, after so many of its lines and columns.
    pub(crate) fn inside(self, lines: usize, columns: usize) -> Self {
        match self {
            Self::Lines { above, indent } => {
                Self::Lines { above: above.saturating_add(lines), indent: indent.saturating_add(columns) }
            }
            Self::One(spot) => Self::One(spot),
        }
    }
}
