//! One request and its answer, by one connection.

use std::sync::Arc;

use http::{Request, Response, StatusCode, Version};
use tollgate_gate::Target;

use super::Switched;
use super::answer_body::{Answer, AnswerBody};
use super::fault::SendFault;
use super::request_body::RequestBody;
use super::shown::Signing;
use super::switch::UpstreamEnd;
use super::tally::Flight;
use super::target::Place;
use crate::upgrade::Upgrade;

/// Sends a request by a connection of the pool, or a new one where none can take it. What was not sent at all, because
/// the other side had closed the connection meanwhile, is sent by the next; anything else is not tried again. The
/// request stays where there is no connection for it.
pub(super) async fn exchange(
    place: &Arc<Place>,
    request: &mut Option<Box<Request<RequestBody>>>,
    (target, signing): (&Target, Option<&Signing>),
) -> Result<Response<Box<AnswerBody>>, SendFault> {
    let flight = Flight::to(place);
    loop {
        let (connection, is_new) = match place.pool.take() {
            Some(connection) => (connection, false),
            // Seldom, and large.
            None => Box::pin(place.connect()).await?,
        };
        let mut asked = request.take().ok_or(SendFault::Unsendable)?;
        let protocol = connection.protocol();
        place
            .address(&mut asked, target.path_and_query(), protocol)
            .ok_or(SendFault::Unsendable)?;
        place.sign(&mut asked, signing)?;
        match connection.send(asked).await {
            Ok(response) if is_ambiguous(&response) => return Err(SendFault::Ambiguous),
            Ok(mut response) => {
                *response.version_mut() = Version::HTTP_11;
                // By itself: it is handed on many times before its first byte is.
                return Ok(response.map(|answer| Box::new(AnswerBody::new(answer, flight))));
            }
            Err(unanswered) => match unanswered.unsent {
                Some(unsent) if !is_new => *request = Some(unsent),
                _ => return Err(unanswered.fault),
            },
        }
    }
}

/// Asks one target to make something else of a new connection. The request stays where there is no connection for it.
pub(super) async fn exchange_upgrade(
    mut flight: Flight,
    request: &mut Option<Box<Request<RequestBody>>>,
    (target, signing): (&Target, Option<&Signing>),
    upgrade: &Upgrade,
) -> Result<Switched, SendFault> {
    let place = Arc::clone(flight.place());
    let connection = place.connect_for_upgrade().await?;
    let mut request = request.take().ok_or(SendFault::Unsendable)?;
    place
        .address(&mut request, target.path_and_query(), connection.protocol())
        .ok_or(SendFault::Unsendable)?;
    place.sign(&mut request, signing)?;
    let response = connection.send(request).await;
    let response = response.map_err(|unanswered| unanswered.fault)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if !upgrade.is_granted(response.headers()) {
            return Err(SendFault::Ambiguous);
        }
        let (head, Answer::Http1(connection)) = response.into_parts() else {
            return Err(SendFault::Ambiguous);
        };
        let (stream, early, room) = connection.into_parts();
        flight.hold(room);
        let response = Response::from_parts(head, Box::new(AnswerBody::ended()));
        let end = UpstreamEnd { stream, early };
        return Ok(Switched::Tunnel(response, end, flight));
    }
    if is_ambiguous(&response) {
        return Err(SendFault::Ambiguous);
    }
    let response = response.map(|answer| Box::new(AnswerBody::new(answer, flight)));
    Ok(Switched::Answer(response))
}

/// Whether an answer makes something else of a connection that nobody asked to: what follows could be anything. How long
/// a body is was settled by who read the head.
fn is_ambiguous<B>(response: &Response<B>) -> bool {
    response.status().is_informational()
}
