//! `query features`, which the bridge answers itself (Language v1.1, section 4.1).

use super::admit::Verdict;
use super::{Consumer, House};
use crate::language::{Accepted, Version};
use crate::openc2::{
    Action, Args, Command, Feature, Response, ResponseType, Results, Status, Target,
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
    version: Version,
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
                results.versions = Some(consumer.versions.iter().map(Version::to_string).collect());
            }
            Feature::Profiles => {
                let profiles = house.profiles(consumer).into_iter();
                results.profiles = Some(profiles.map(|it| called(house, version, it)).collect());
            }
            Feature::Pairs => {
                let language = house.library.language(version);
                results.pairs = Some(language.pairs_of(&house.pairs(consumer)));
            }
            Feature::Schema => results.schema = Some(Box::new(schema(house, consumer, version))),
            Feature::RateLimit => {
                results.rate_limit = consumer.rate_limit.map(|limit| f64::from(limit.get()));
            }
        }
    }
    // A results member holds at least one (section 3.3.2.2).
    let results = Some(results).filter(|results| *results != Results::default());
    Verdict::Answer(Response { status: Status::Ok, status_text: None, results })
}

/// What a version of the language calls a profile: 1.1 has its namespace
/// identifier (section 3.3.2.2), and 1.0 the unique name of its schema (CSD07, section 3.3.2).
fn called(house: &House, version: Version, nsid: String) -> String {
    match (version, house.library.profile(&nsid)) {
        (Version::V1_0, Some(profile)) => profile.unique_name().to_owned(),
        _ => nsid,
    }
}

/// The schema of exactly what a consumer accepts (Language v1.0 CSD07, annex B.3).
fn schema(house: &House, consumer: &Consumer, version: Version) -> serde_json::Value {
    let language = house.library.language(version);
    let profiles = house.profiles(consumer);
    let accepted = Accepted {
        consumer: &consumer.id,
        pairs: &language.pairs_of(&house.pairs(consumer)),
        profiles: profiles.iter().map(|it| (it.as_str(), house.specifiers(consumer, it))).collect(),
    };
    language.subset(&accepted).to_json()
}
