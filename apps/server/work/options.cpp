// SPDX-License-Identifier: Apache-2.0
#include "work/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>

#include "enlarge/choice.hpp"
#include "enlarge/models.hpp"

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

Error wrong(const std::string& name, const std::string& value, const std::string& expected) {
    return {Errc::argument, name + ": expected " + expected + ", found '" + safe_name(value) + "'"};
}

Result<double> number(const std::string& name, const std::string& text, double low, double high) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    char range[64];
    std::snprintf(range, sizeof range, "a number from %g to %g", low, high);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || !(value >= low && value <= high))
        return wrong(name, text, range);
    return value;
}

Result<int> whole(const std::string& name, const std::string& text, int low, int high) {
    const auto value = whole_number(text, high);
    if (!value || *value < low)
        return wrong(name, text, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    return static_cast<int>(*value);
}

Result<bool> truth(const std::string& name, const std::string& text) {
    if (text.empty() || text == "1" || text == "true" || text == "yes" || text == "on") return true;
    if (text == "0" || text == "false" || text == "no" || text == "off") return false;
    return wrong(name, text, "true or false");
}

// Puts a checked value where it belongs.
template <class T, class U>
Result<void> put(const Result<T>& value, U& target) {
    if (!value) return value.error();
    target = *value;
    return {};
}

Result<void> put_word(const std::string& name, const std::string& text, std::string& target,
                      const std::vector<const char*>& words) {
    std::string list;
    for (const char* word : words) {
        if (text == word) return target = text, Result<void>{};
        list += (list.empty() ? "" : ", ") + std::string(word);
    }
    return wrong(name, text, "one of " + list);
}

Result<void> put_format(const std::string& text, std::string& target) {
    const std::string word = lower(text);
    const auto format = enlarge::parse_picture_format(word);
    if (!format && !is_container(word))
        return wrong("format", text,
                     "a kind of picture (jpg, png, webp, tif, avif, heic, jxl, "
                     "ppm, pfm) or of film (mp4, mkv, webm, mov, gif, apng)");
    if (format && !enlarge::format_info(*format).writable && word != "gif")
        return wrong("format", text, "a kind of picture that can be written");
    target = word;
    return {};
}

Result<void> put_alpha(const std::string& text, enlarge::AlphaMode& target) {
    if (text != "network" && text != "lanczos") return wrong("alpha", text, "network or lanczos");
    target = text == "lanczos" ? enlarge::AlphaMode::lanczos : enlarge::AlphaMode::network;
    return {};
}

Result<void> put_preview(const std::string& text, std::optional<enlarge::Rect>& target) {
    enlarge::Rect r;
    int used = 0;
    if (std::sscanf(text.c_str(), "%9d,%9d,%9d,%9d%n", &r.x, &r.y, &r.width, &r.height, &used) != 4 ||
        static_cast<std::size_t>(used) != text.size() || r.x < 0 || r.y < 0 || r.width <= 0 || r.height <= 0)
        return wrong("preview", text, "left,top,width,height in pixels of the input");
    target = r;
    return {};
}

Result<void> put_size(const std::string& text, enlarge::OutputSize& target) {
    int used = 0, width = 0, height = 0;
    if (std::sscanf(text.c_str(), "%7dx%7d%n", &width, &height, &used) != 2 ||
        static_cast<std::size_t>(used) != text.size() || width <= 0 || height <= 0)
        return wrong("size", text, "WIDTHxHEIGHT, such as 1920x1080");
    target.width = width;
    target.height = height;
    return {};
}

Result<void> put_kind(const std::string& text, std::string& target) {
    const auto kind = enlarge::parse_kind(safe_name(text));  // which is in its message
    if (!kind) return Error{Errc::argument, "for: " + kind.error().message};
    target = enlarge::kind_name(*kind);
    return {};
}

Result<void> put_precision(const std::string& text, enlarge::Precision& target) {
    return put(enlarge::parse_precision(safe_name(text)), target);
}

Result<void> put_background(const std::string& text, std::string& target) {
    if (!enlarge::parse_background(text)) return wrong("background", text, "white, black or #rrggbb");
    target = text;
    return {};
}

using Put = std::function<Result<void>(Options&, const std::string&)>;

constexpr int kMostPixels = 1 << 20;  // of a side

const std::map<std::string, Put, std::less<>>& table() {
    static const std::map<std::string, Put, std::less<>> entries = {
        {"model", [](Options& o, const std::string& v) { return put(usable_model(v), o.model); }},
        {"for", [](Options& o, const std::string& v) { return put_kind(v, o.purpose); }},
        {"denoise", [](Options& o, const std::string& v) { return put(number("denoise", v, 0, 1), o.denoise); }},
        {"strength", [](Options& o, const std::string& v) { return put(number("strength", v, 0, 1), o.strength); }},
        {"scale", [](Options& o, const std::string& v) { return put(number("scale", v, 0.01, 64), o.size.scale); }},
        {"width",
         [](Options& o, const std::string& v) { return put(whole("width", v, 1, kMostPixels), o.size.width); }},
        {"height",
         [](Options& o, const std::string& v) { return put(whole("height", v, 1, kMostPixels), o.size.height); }},
        {"size", [](Options& o, const std::string& v) { return put_size(v, o.size); }},
        {"exact",
         [](Options& o, const std::string& v) {
             const auto exact = truth("exact", v);
             if (exact) o.size.fit = !*exact;
             return exact ? Result<void>{} : exact.error();
         }},
        {"cover",
         [](Options& o, const std::string& v) {
             return put_word("cover", v, o.cover, {"crop", "whole"});
         }},
        {"tta", [](Options& o, const std::string& v) { return put(truth("tta", v), o.tta); }},
        {"precision", [](Options& o, const std::string& v) { return put_precision(v, o.precision); }},
        {"alpha", [](Options& o, const std::string& v) { return put_alpha(v, o.alpha); }},
        {"format", [](Options& o, const std::string& v) { return put_format(v, o.format); }},
        {"quality", [](Options& o, const std::string& v) { return put(whole("quality", v, 1, 100), o.quality); }},
        {"lossless", [](Options& o, const std::string& v) { return put(truth("lossless", v), o.lossless); }},
        {"provenance", [](Options& o, const std::string& v) { return put(truth("provenance", v), o.provenance); }},
        {"allow-damaged",
         [](Options& o, const std::string& v) { return put(truth("allow-damaged", v), o.allow_damaged); }},
        {"background", [](Options& o, const std::string& v) { return put_background(v, o.background); }},
        {"page", [](Options& o, const std::string& v) { return put(whole("page", v, 1, 1000000), o.page); }},
        {"preview", [](Options& o, const std::string& v) { return put_preview(v, o.preview); }},
        {"video-codec",
         [](Options& o, const std::string& v) {
             return put_word("video-codec", v, o.codec, {"libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1"});
         }},
        {"crf", [](Options& o, const std::string& v) { return put(number("crf", v, 0, 63), o.crf); }},
        {"from", [](Options& o, const std::string& v) { return put(number("from", v, 0, 1e6), o.from_s); }},
        {"to", [](Options& o, const std::string& v) { return put(number("to", v, 0, 1e6), o.to_s); }},
        {"deinterlace", [](Options& o, const std::string& v) { return put(truth("deinterlace", v), o.deinterlace); }},
    };
    return entries;
}

}  // namespace

bool is_container(const std::string& name) {
    static constexpr const char* kContainers[] = {"mp4", "mkv", "webm", "mov", "gif", "apng", "webp"};
    return std::find(std::begin(kContainers), std::end(kContainers), name) != std::end(kContainers);
}

const std::vector<const char*>& option_names() {
    static const std::vector<const char*> names = [] {
        std::vector<const char*> list;
        for (const auto& entry : table()) list.push_back(entry.first.c_str());
        return list;
    }();
    return names;
}

Result<std::string> usable_model(const std::string& name) {
    const bool plain = !name.empty() && name.size() <= 128 && name[0] != '.' &&
                       std::all_of(name.begin(), name.end(),
                                   [](unsigned char c) { return c > 0x20 && c < 0x7f && c != '/' && c != '\\'; });
    const Error unknown{Errc::not_found,
                        "there is no model '" + safe_name(name) + "' here; /v1/models lists those that are"};
    if (!plain) return unknown;
    const auto builtin = enlarge::builtin_models();
    if (std::find(builtin.begin(), builtin.end(), name) != builtin.end()) return name;
    const auto known = enlarge::find_public_model(name);
    if (!known || known->path.empty()) return unknown;
    return known->name;
}

Result<Options> parse_options(const Params& params) {
    Options options;
    for (const auto& [name, value] : params) {
        const auto found = table().find(name);
        if (found == table().end()) {
            std::string list;
            for (const char* one : option_names()) list += (list.empty() ? "" : ", ") + std::string(one);
            return Error{Errc::argument, "there is no parameter '" + safe_name(name) + "'; there are " + list};
        }
        if (auto done = found->second(options, value); !done) return std::move(done).error();
    }
    const enlarge::OutputSize& size = options.size;
    if (size.scale > 0 && (size.width || size.height))
        return Error{Errc::argument, "scale and a width or height were given; one of them says it"};
    if (!size.fit && !(size.width && size.height)) return Error{Errc::argument, "exact needs both width and height"};
    if (!options.cover.empty() && !(size.width && size.height))
        return Error{Errc::argument, "cover needs both width and height"};
    if (!options.cover.empty() && options.preview)
        return Error{Errc::argument, "cover and preview were given; one of them is taken"};
    if (options.to_s > 0 && options.to_s <= options.from_s)
        return Error{Errc::argument, "to should be later than from"};
    return options;
}

}  // namespace serve
