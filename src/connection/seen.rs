//! What the operator sees of a trial login: what was checked, and what the provider said.

/// One thing that is done or checked on the way of a login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Check {
    /// The step, as a [`Rejection`](super::Rejection) names it.
    pub(crate) step: &'static str,
    /// The one check of several at this step, as a rejection names it.
    pub(crate) check: Option<&'static str>,
    /// What is done there, or must be.
    pub(crate) what: &'static str,
}

impl Check {
    /// A step as a whole.
    pub(in crate::connection) const fn step(step: &'static str, what: &'static str) -> Self {
        Self {
            step,
            check: None,
            what,
        }
    }
}
