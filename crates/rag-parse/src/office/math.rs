//! Formulas of Office Open XML as linear text.

use roxmltree::Node;

use super::xml::Element;

/// Formulas within formulas, at most.
const MOST_DEPTH: usize = 64;

/// A formula in the notation that people type: `a/b`, `x^2`, `√(x)`, `∑_(i=1)^n`.
pub(super) fn linear(formula: Node<'_, '_>) -> String {
    let mut text = String::new();
    write(formula, &mut text, 0);
    text.trim().to_owned()
}

fn write(node: Node<'_, '_>, text: &mut String, depth: usize) {
    if depth > MOST_DEPTH {
        return;
    }
    let part = |name: &str| {
        let mut text = String::new();
        node.child(name).into_iter().for_each(|part| write(part, &mut text, depth + 1));
        text
    };
    let grouped = |part: String| match part.chars().count() {
        0 | 1 => part,
        _ => format!("({part})"),
    };
    match node.name() {
        "t" => text.push_str(node.text().unwrap_or_default()),
        "f" => text.push_str(&format!("{}/{}", grouped(part("num")), grouped(part("den")))),
        "sSup" => text.push_str(&format!("{}^{}", part("e"), grouped(part("sup")))),
        "sSub" => text.push_str(&format!("{}_{}", part("e"), grouped(part("sub")))),
        "sSubSup" => {
            let (base, sub, sup) = (part("e"), grouped(part("sub")), grouped(part("sup")));
            text.push_str(&format!("{base}_{sub}^{sup}"));
        }
        "rad" => text.push_str(&format!("{}√({})", part("deg"), part("e"))),
        "nary" => {
            let sign = node.child("naryPr").and_then(|of| of.val("chr")).unwrap_or("∫");
            text.push_str(sign);
            for (mark, limit) in [("_", part("sub")), ("^", part("sup"))] {
                if !limit.is_empty() {
                    text.push_str(&format!("{mark}{}", grouped(limit)));
                }
            }
            text.push_str(&part("e"));
        }
        "d" => {
            let of = node.child("dPr");
            let sign =
                |name: &str, usual: &'static str| of.and_then(|of| of.val(name)).unwrap_or(usual);
            text.push_str(sign("begChr", "("));
            let inner = node.elements().filter(|node| node.name() == "e");
            inner.for_each(|part| write(part, text, depth + 1));
            text.push_str(sign("endChr", ")"));
        }
        name if name.ends_with("Pr") => {}
        _ => node.elements().for_each(|node| write(node, text, depth + 1)),
    }
}
