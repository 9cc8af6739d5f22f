//! What pictures have in common: a frame, a text alternative, a white ground.

use press::markdown::escape;

/// A picture of that size: its title, what it shows in words, the style of its parts, and the parts.
#[must_use]
pub fn whole(
    width: usize,
    height: usize,
    title: &str,
    said: &str,
    style: &str,
    parts: &str,
) -> String {
    let (title, said) = (escape(title), escape(said));
    let parts = parts.replace("><", ">\n<");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-labelledby=\"t d\" font-family=\"'Source Sans 3','Segoe UI',Roboto,Helvetica,Arial,'DejaVu Sans',sans-serif\">\n\
         <title id=\"t\">{title}</title>\n<desc id=\"d\">{said}</desc>\n<style>{style}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" style=\"fill:#fff;stroke:none\"/>\n{parts}\n</svg>\n"
    )
}
