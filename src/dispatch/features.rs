//! `query features`, which the bridge answers itself (Language v1.1, section 4.1).

use super::admit::Verdict;
use super::{Consumer, House};
use crate::openc2::{
    Action, Args, Command, Feature, Response, ResponseType, Results, Status, Target, VERSIONS,
};

/// The features that a command asks for, if it is `query features`.
pub(super) fn asked_for(command: &Command) -> Option<&[Feature]> {
    match (&command.action, &command.target) {
        (Action::Query, Target::Features(features)) => Some(features),
        _ => None,
    }
}

/// What a consumer says of itself.
///
/// Only `response_requested` may stand beside it, and only `complete`, or
/// `none`, which is met by silence; anything else is never answered with 200.
pub(super) fn answer(
    house: &House,
    consumer: &Consumer,
    features: &[Feature],
    args: &Args,
) -> Verdict {
    let Args { start_time, stop_time, duration, response_requested, extensions } = args;
    let only_how_to_answer = start_time.is_none()
        && stop_time.is_none()
        && duration.is_none()
        && extensions.is_empty()
        && matches!(response_requested, None | Some(ResponseType::Complete | ResponseType::None));
    if !only_how_to_answer {
        return Verdict::Refuse(
            Status::BadRequest,
            "query features takes no argument but response_requested complete".into(),
        );
    }

    let mut results = Results::default();
    for feature in features {
        match feature {
            Feature::Versions => {
                results.versions = Some(VERSIONS.iter().map(ToString::to_string).collect());
            }
            Feature::Profiles => results.profiles = Some(house.profiles(consumer)),
            Feature::Pairs => results.pairs = Some(house.pairs(consumer)),
            // Of language 1.0, and asked for in no other.
            Feature::Schema => {}
            Feature::RateLimit => {
                results.rate_limit = consumer.rate_limit.map(|limit| f64::from(limit.get()));
            }
        }
    }
    // A results member holds at least one (section 3.3.2.2).
    let results = Some(results).filter(|results| *results != Results::default());
    Verdict::Answer(Response { status: Status::Ok, status_text: None, results })
}
