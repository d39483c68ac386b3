//! Colours, each with what stands for it on a dark page.

/// Red, green and blue.
type Rgb = [u8; 3];

/// Marks on a dark page are at least so light.
const LEAST_LIGHT: u32 = 140;

/// A colour on a light page, and what stands for it on a dark one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour {
    light: Rgb,
    dark: Rgb,
}

impl Colour {
    pub(crate) const fn both(light: Rgb, dark: Rgb) -> Self {
        Self { light, dark }
    }

    /// That of a mark: on a dark page it is made as light as it needs to be.
    pub(crate) const fn mark(red: u8, green: u8, blue: u8) -> Self {
        let light = [red, green, blue];
        let luma = luma(light);
        if luma >= LEAST_LIGHT {
            return Self { light, dark: light };
        }
        Self { light, dark: [lifted(red, luma), lifted(green, luma), lifted(blue, luma)] }
    }

    /// Red, green and blue on a light page.
    pub(crate) const fn light_rgb(self) -> [u8; 3] {
        self.light
    }

    /// "#1c1f24", on a light page.
    pub(crate) fn light(self) -> String {
        hex(self.light)
    }

    /// The same on a dark one.
    pub(crate) fn dark(self) -> String {
        hex(self.dark)
    }

    /// Of two colours that are ink and paper, the one that is read more easily on this one, on either page.
    pub(crate) fn contrast(self, ink: Self, paper: Self) -> Self {
        let is_light = |colour: Rgb| luma(colour) > 135;
        let light = if is_light(self.light) { ink.light } else { paper.light };
        // On a dark page ink is light.
        let dark = if is_light(self.dark) { paper.dark } else { ink.dark };
        Self { light, dark }
    }
}

/// How light a colour is, up to 255.
const fn luma([red, green, blue]: Rgb) -> u32 {
    (299 * red as u32 + 587 * green as u32 + 114 * blue as u32) / 1000
}

/// A part of a colour that is mixed with white until it is light enough.
const fn lifted(part: u8, luma: u32) -> u8 {
    (part as u32 + (255 - part as u32) * (LEAST_LIGHT - luma) / (255 - luma)) as u8
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A colour between two.
pub(crate) fn mixed(from: Colour, to: Colour, share: f64) -> Colour {
    let mix = |one: u8, two: u8| libm::round(f64::from(one) + (f64::from(two) - f64::from(one)) * share) as u8;
    let each = |one: Rgb, two: Rgb| [mix(one[0], two[0]), mix(one[1], two[1]), mix(one[2], two[2])];
    Colour { light: each(from.light, to.light), dark: each(from.dark, to.dark) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_light_enough_for_a_dark_page() {
        let blue = Colour::mark(0, 114, 178);
        assert_eq!(blue.light(), "#0072b2");
        assert!(luma(blue.dark) + 2 >= LEAST_LIGHT && blue.dark() != blue.light());
        let yellow = Colour::mark(240, 228, 66);
        assert_eq!(yellow.dark(), yellow.light());
    }

    #[test]
    fn words_are_read_on_either_page() {
        let (ink, paper) = (Colour::both([0; 3], [255; 3]), Colour::both([255; 3], [0; 3]));
        let on_dark_blue = Colour::mark(0, 60, 120).contrast(ink, paper);
        assert_eq!((on_dark_blue.light(), on_dark_blue.dark()), ("#ffffff".to_owned(), "#000000".to_owned()));
    }
}
