//! What in a model's name is its version.

/// The name without its version: the shortest beginning whose rest says nothing but a version.
pub(super) fn without_version(model: &str) -> &str {
    let mut cuts = model.match_indices(['-', '@', ':']).map(|(at, _)| at).filter(|at| *at > 0);
    cuts.find(|at| is_version(&model[*at..])).map_or(model, |at| &model[..at])
}

/// Whether a name's rest, which begins with `-`, `@` or `:`, is a version.
fn is_version(rest: &str) -> bool {
    let mut began = false;
    rest.split(['-', '@', ':']).skip(1).all(|word| {
        let fits = is_word(word) || (began && is_number(word));
        began |= fits;
        fits
    })
}

/// What a version may begin with. Numbers of one or two digits count models, not versions.
fn is_word(word: &str) -> bool {
    const WORDS: [&str; 6] = ["latest", "preview", "exp", "beta", "stable", "default"];
    let is_numbered = word.strip_prefix(['v', 'V']).is_some_and(is_number);
    WORDS.contains(&word) || is_numbered || (is_number(word) && word.len() >= 3)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The id of the model behind an inference profile of Bedrock, if that is what it is.
pub(super) fn without_geography(model: &str) -> Option<&str> {
    const GEOGRAPHIES: [&str; 9] = ["us", "us-gov", "eu", "apac", "ap", "jp", "au", "ca", "global"];
    let (first, rest) = model.split_once('.')?;
    GEOGRAPHIES.contains(&first).then_some(rest)
}
