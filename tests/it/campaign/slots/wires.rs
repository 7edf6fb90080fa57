//! What a request is called in a run for schedules: each write of a schedule's life has a name of its own.

use hyper::Method;

/// The kind of a request; none for one that is no place.
pub(super) fn label(method: &Method, uri: &hyper::Uri) -> Option<&'static str> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let is_read = *method == Method::GET;
    if path.ends_with("/sqlserverbackups") {
        Some(match () {
            () if !is_read => "create",
            () if query.contains("watch=") => "watch",
            () if query.contains("labelSelector=") => "children",
            () => "list",
        })
    } else if path.contains("/sqlserverbackups/") {
        Some(match *method {
            Method::GET => "read",
            Method::DELETE => "remove",
            _ => "status",
        })
    } else if path.contains("/sqlserverbackupschedules/") {
        Some(if is_read { "schedule read" } else { "schedule status" })
    } else if path.contains("/events") {
        Some("event")
    } else {
        None
    }
}
