//! The routes as they are set, with what only the settings as a whole show to be wrong.

use super::keep;
use crate::{
    config::Settings, policy::Known, problem::Problem, protocol::CanonicalPath, route::Router,
};

pub(super) fn build(settings: &Settings, known: &Known) -> Result<Router, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut routes = Vec::new();
    for (index, config) in settings.routes.iter().enumerate() {
        let Some(route) = keep(config.build(index, known), &mut problems) else {
            continue;
        };
        let ours = CanonicalPath::parse(route.path.as_str())
            .is_ok_and(|path| settings.auth_prefix.matches(&path));
        if ours {
            let prefix = settings.auth_prefix.as_str();
            let message = format!("nothing under {prefix}, where our own pages are, is passed on");
            problems.push(
                Problem::new(format!("routes[{index}].path"), message)
                    .hint("choose another path, or another server.auth_prefix"),
            );
        }
        routes.push(route);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Router::build(routes, &settings.public_url)
}
