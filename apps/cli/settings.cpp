// SPDX-License-Identifier: Apache-2.0
// Which network, and how, where options leave it open.
#include "engine_options.hpp"
#include "enlarge/choice.hpp"
#include "enlarge/models.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Result;

bool has_partner(const std::string& model) { return enlarge::denoise_partner(model).ok(); }

// What --for chose, but for what was given.
void choose(const EngineChoice& choice, enlarge::Kind kind, enlarge::Use use, double factor, Settings& settings) {
    const enlarge::Choice chosen = enlarge::choose(kind, use, factor);
    if (choice.model.empty()) {
        settings.model = chosen.model;
        if (choice.denoise < 0 && choice.blend.empty() && chosen.denoise < 1) settings.denoise = chosen.denoise;
    }
    if (choice.strength < 0) settings.strength = chosen.strength;
    settings.deinterlace = chosen.deinterlace;
    settings.filter_before = chosen.filter_before;
}

std::string sentence(const Settings& settings, enlarge::Use use, const std::string& purpose) {
    std::string text = "for " + purpose + ": " + settings.model;
    if (settings.denoise >= 0) text += ", --denoise " + shortest(settings.denoise);
    if (settings.strength < 1) text += ", --strength " + shortest(settings.strength);
    if (use == enlarge::Use::video && !settings.filter_before.empty()) text += ", every frame deinterlaced";
    return text;
}

}  // namespace

Result<Settings> settings_for(const EngineChoice& choice, enlarge::Use use, double factor) {
    Settings settings;
    settings.model = choice.model;
    settings.denoise = choice.denoise;
    if (choice.strength >= 0) settings.strength = choice.strength;
    if (!choice.purpose.empty()) {
        const auto kind = enlarge::parse_kind(choice.purpose);
        if (!kind) {
            const std::string near = nearest(choice.purpose, {"photo", "drawing", "text", "film", "tape", "phone"});
            const bool known = kind.error().message.find("is called") != std::string::npos;
            return enlarge::Error{kind.error().code, "--for: " + kind.error().message + (known || near.empty() ? "" : "; did you mean " + near + "?")};
        }
        choose(choice, *kind, use, factor, settings);
    } else if (settings.model.empty()) {
        settings.model = enlarge::preferred_model();
        if (settings.model.empty()) settings.model = enlarge::default_model(use, factor);
    }
    // The default for pictures has a partner that removes less noise; not all others do.
    std::string instead;
    const bool open = choice.model.empty() && (!choice.purpose.empty() || settings.model == enlarge::default_model(use, factor));
    if (choice.denoise >= 0 && open && !has_partner(settings.model)) {
        instead = settings.model;
        settings.model = enlarge::default_model(enlarge::Use::pictures, factor);
    }
    if (!choice.purpose.empty()) settings.said = sentence(settings, use, choice.purpose);
    else if (!instead.empty()) settings.said = settings.model + " is used, since --denoise does not work with " + instead;
    return settings;
}

}  // namespace cli
