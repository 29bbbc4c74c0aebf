//! Names that are taken get a number: `plan(1).pdf`.

/// The name, or it with the first number that makes it free; the number stands before the ending.
pub(super) fn with_number(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(name) {
        return name.to_owned();
    }
    let (stem, ending) = split(name);
    let numbered = (1_u64..).map(|number| format!("{stem}({number}){ending}"));
    let mut free = numbered.filter(|name| !is_taken(name));
    free.next().unwrap_or_else(|| name.to_owned())
}

/// A name and its ending, with the dot; a dot at the beginning makes no ending.
pub(super) fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_the_first_free_number() {
        let taken = ["a.txt", "a(1).txt", "b", ".x"];
        let free = |name| with_number(name, |name| taken.contains(&name));
        assert_eq!(free("c.txt"), "c.txt");
        assert_eq!(free("a.txt"), "a(2).txt");
        assert_eq!(free("b"), "b(1)");
        assert_eq!(free(".x"), ".x(1)");
    }
}
