// SPDX-License-Identifier: Apache-2.0
// Which network for what: kinds of pictures, partners that remove less noise.
#include "enlarge/choice.hpp"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "enlarge/models.hpp"
#include "zoo/registry.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;

// Networks with a partner: what their files are called, where that may begin with something else, and where "-wdn" goes.
struct Partnered {
    const char* part;
    bool anywhere;
    std::size_t at;
};
constexpr Partnered kPartnered[] = {{"fine-x4", false, 4}, {"fine-x2", false, 4}, {"general-x4v3", true, 7}};

struct Word {
    const char* word;
    Kind kind;
};
// What people call them, each kind's own name first.
constexpr Word kWords[] = {
    {"photo", Kind::photo},      {"drawing", Kind::drawing},    {"text", Kind::text},         {"film", Kind::film},
    {"tape", Kind::tape},        {"phone", Kind::phone},        {"photos", Kind::photo},      {"photograph", Kind::photo},
    {"picture", Kind::photo},    {"image", Kind::photo},        {"portrait", Kind::photo},    {"face", Kind::photo},
    {"people", Kind::photo},     {"landscape", Kind::photo},    {"camera", Kind::photo},      {"painting", Kind::photo},
    {"drawings", Kind::drawing}, {"anime", Kind::drawing},      {"cartoon", Kind::drawing},   {"comic", Kind::drawing},
    {"comics", Kind::drawing},   {"manga", Kind::drawing},      {"art", Kind::drawing},       {"lineart", Kind::drawing},
    {"line-art", Kind::drawing}, {"illustration", Kind::drawing}, {"logo", Kind::drawing},    {"icon", Kind::drawing},
    {"sketch", Kind::drawing},   {"game", Kind::drawing},       {"document", Kind::text},     {"documents", Kind::text},
    {"scan", Kind::text},        {"book", Kind::text},          {"letter", Kind::text},       {"receipt", Kind::text},
    {"screen", Kind::text},      {"screenshot", Kind::text},    {"map", Kind::text},          {"movie", Kind::film},
    {"cinema", Kind::film},      {"grain", Kind::film},         {"dvd", Kind::film},          {"bluray", Kind::film},
    {"vhs", Kind::tape},         {"video8", Kind::tape},        {"hi8", Kind::tape},          {"dv", Kind::tape},
    {"camcorder", Kind::tape},   {"vcr", Kind::tape},           {"cassette", Kind::tape},     {"tv", Kind::tape},
    {"broadcast", Kind::tape},   {"mobile", Kind::phone},       {"smartphone", Kind::phone},  {"selfie", Kind::phone},
    {"messenger", Kind::phone},  {"whatsapp", Kind::phone},     {"webcam", Kind::phone},
};
constexpr std::size_t kKinds = 6;

// The first of them that can be used here by its name; the last is built in.
std::string best_of(const std::vector<std::string>& names) {
    const std::vector<std::string> built_in = builtin_models();
    for (const std::string& name : names)
        if (std::find(built_in.begin(), built_in.end(), name) != built_in.end() || find_model(name)) return name;
    return names.back();
}

}  // namespace

Result<Kind> parse_kind(std::string_view word) {
    const std::string folded = zoo::folded(word);
    const auto* found = std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& w) { return folded == w.word; });
    if (found < std::begin(kWords) + kKinds) return found->kind;
    const std::string all = "there are photo, drawing, text, film, tape and phone";
    if (found != std::end(kWords)) return Error{Errc::argument, "'" + std::string(word) + "' is called " + kind_name(found->kind) + " here; " + all};
    return Error{Errc::argument, "'" + std::string(word) + "' is no kind of picture known here; " + all};
}

const char* kind_name(Kind kind) { return kWords[static_cast<std::size_t>(kind)].word; }

Choice choose(Kind kind, Use use, double factor) {
    const std::string scale = factor > 0 && factor <= 2 ? "-x2" : "-x4";
    const bool video = use == Use::video;
    Choice choice;
    choice.model = default_model(use, factor);
    switch (kind) {
        case Kind::photo:
            if (!video) choice.denoise = 0.75;  // half leaves the blocks of an old JPEG
            choice.strength = 0.85;
            break;
        case Kind::drawing: choice.model = best_of({"drawing" + scale, "realesr-animevideov3", choice.model}); break;
        case Kind::text: choice.model = "faithful" + scale; break;
        case Kind::film:
            if (!video) choice.denoise = 0.25;
            choice.strength = 0.7;
            break;
        case Kind::tape:
            choice.deinterlace = false;  // once is enough
            choice.filter_before = "bwdif=mode=send_frame:parity=auto:deint=all";
            break;
        case Kind::phone: choice.strength = 0.8; break;
    }
    return choice;
}

Result<std::string> denoise_partner(const std::string& model) {
    const fs::path path(model);
    std::string file = path.filename().string();
    if (!path.has_parent_path() && path.extension().empty())  // it may be an alias
        if (const auto known = find_public_model(model)) file = known->name;
    const std::string folded = zoo::folded(file);
    for (const Partnered& kind : kPartnered) {
        const auto begin = folded.find(kind.part);
        if (begin == std::string::npos || (begin > 0 && !kind.anywhere)) continue;
        file.insert(begin + kind.at, "-wdn");
        return path.has_parent_path() ? (path.parent_path() / file).string() : file;
    }
    const std::string found = ", not with '" + model + "'";
    if (folded.find("-wdn-") != std::string::npos)
        return Error{Errc::argument, "denoising is mixed from a network and its wdn partner, and starts with the first of them" + found};
    return Error{Errc::argument, "denoising can be set with networks that have a partner which removes less: fine-x4, fine-x2 and "
                                 "realesr-general-x4v3" + found};
}

}  // namespace enlarge
