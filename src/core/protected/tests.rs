//! The table of the rules, cell by cell, and what holds for every set of facts.
