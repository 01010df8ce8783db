// SPDX-License-Identifier: Apache-2.0
// Which network, and how, where options leave it open.
#include <optional>

#include "engine_options.hpp"
#include "enlarge/choice.hpp"
#include "enlarge/models.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
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

std::string sentence(const Settings& settings, const EngineChoice& choice, enlarge::Kind kind, enlarge::Use use,
                     double factor) {
    const bool video = use == enlarge::Use::video;
    std::string text = "for " + choice.purpose + ": " + with_options(settings);
    if (video && !settings.filter_before.empty()) text += ", every frame deinterlaced";
    // The network for video removes noise as it does; the slower one for pictures can be told to leave some.
    const enlarge::Choice still = enlarge::choose(kind, enlarge::Use::pictures, factor);
    const bool open = choice.model.empty() && choice.denoise < 0 && choice.blend.empty();
    if (video && open && still.denoise < 1 && !has_partner(settings.model))
        text += "; -m " + still.model + " --denoise " + shortest(still.denoise) + " keeps more of the grain and is slower";
    return text;
}

}  // namespace

std::string with_options(const Settings& settings) {
    std::string text = settings.model;
    if (settings.denoise >= 0) text += ", --denoise " + shortest(settings.denoise);
    if (settings.strength < 1) text += ", --strength " + shortest(settings.strength);
    return text;
}

Result<Settings> settings_for(const EngineChoice& choice, enlarge::Use use, double factor) {
    Settings settings;
    settings.model = choice.model;
    settings.denoise = choice.denoise;
    if (choice.strength >= 0) settings.strength = choice.strength;
    std::optional<enlarge::Kind> kind;
    if (!choice.purpose.empty()) {
        const auto parsed = enlarge::parse_kind(choice.purpose);
        if (!parsed) {
            const std::string near = nearest(choice.purpose, {"photo", "drawing", "text", "film", "tape", "phone"});
            const bool known = parsed.error().message.find("is called") != std::string::npos;
            const std::string meant = known || near.empty() ? "" : "; did you mean " + near + "?";
            return Error{parsed.error().code, "--for: " + parsed.error().message + meant};
        }
        kind = *parsed;
        choose(choice, *kind, use, factor, settings);
    } else if (settings.model.empty()) {
        settings.model = enlarge::preferred_model();
        if (settings.model.empty()) settings.model = enlarge::default_model(use, factor);
    }
    // The default for pictures has a partner that removes less noise; not all others do.
    std::string instead;
    const bool some = choice.denoise >= 0 && choice.denoise < 1;  // 1 is what every network does
    if (some && choice.model.empty() && !has_partner(settings.model)) {
        if (kind && settings.model != enlarge::default_model(use, factor))
            return Error{Errc::argument,
                         "--denoise does not work with " + settings.model + ", which --for " + choice.purpose +
                             " takes; leave one of the two out, or name a network with -m"};
        instead = settings.model;
        settings.model = enlarge::default_model(enlarge::Use::pictures, factor);
    }
    if (kind) settings.said = sentence(settings, choice, *kind, use, factor);
    else if (!instead.empty()) settings.said = settings.model + " is used, since --denoise does not work with " + instead;
    return settings;
}

}  // namespace cli
