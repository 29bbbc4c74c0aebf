//! Prompt templates of enrichment. The files in `prompts/` are part of the crate.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior, Value};

/// The templates, parsed once.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for template in Template::ALL {
        environment
            .add_template(template.name(), template.source())
            .expect("the crate's own templates parse");
    }
    environment
});

/// What a model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    Annotate,
    Metadata,
    Tags,
    Contents,
    Summary,
    Entities,
}

impl Template {
    const ALL: [Self; 6] =
        [Self::Annotate, Self::Metadata, Self::Tags, Self::Contents, Self::Summary, Self::Entities];

    fn name(self) -> &'static str {
        match self {
            Self::Annotate => "annotate",
            Self::Metadata => "metadata",
            Self::Tags => "tags",
            Self::Contents => "contents",
            Self::Summary => "summary",
            Self::Entities => "entities",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::Annotate => include_str!("../../prompts/annotate.jinja"),
            Self::Metadata => include_str!("../../prompts/metadata.jinja"),
            Self::Tags => include_str!("../../prompts/tags.jinja"),
            Self::Contents => include_str!("../../prompts/contents.jinja"),
            Self::Summary => include_str!("../../prompts/summary.jinja"),
            Self::Entities => include_str!("../../prompts/entities.jinja"),
        }
    }

    /// The prompt with these values.
    pub(crate) fn render(self, values: Value) -> String {
        let rendered =
            TEMPLATES.get_template(self.name()).and_then(|template| template.render(values));
        rendered.expect("the crate's own templates render with the values they name")
    }
}

/// Text of a document as a prompt may hold it: it cannot close its own frame.
pub(crate) fn quoted(text: &str) -> String {
    text.replace("</passage", "<\\/passage").replace("</document", "<\\/document")
}

/// The same within quotation marks.
pub(crate) fn attribute(text: &str) -> String {
    text.replace(['"', '<', '>', '\n', '\r'], " ")
}
