// SPDX-License-Identifier: Apache-2.0
// XMP packets, changed in one pass over their text: what is not to be changed stays byte for byte, and the time is in
// proportion to the length whatever the text is. A packet that is not well-formed is left as it is.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pictures/metadata.hpp"

namespace enlarge::pictures {
namespace {

constexpr std::size_t kDeepest = 256;  // elements in elements
constexpr const char* kEnhanced = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced";

// The name spaces of the properties that matter here, with the prefixes under which they are known below.
constexpr std::pair<std::string_view, std::string_view> kSpaces[] = {
    {"http://www.w3.org/1999/02/22-rdf-syntax-ns#", "rdf"},
    {"http://ns.adobe.com/tiff/1.0/", "tiff"},
    {"http://ns.adobe.com/exif/1.0/", "exif"},
    {"http://ns.adobe.com/xap/1.0/", "xmp"},
    {"http://ns.adobe.com/xmp/note/", "xmpNote"},
    {"http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "Iptc4xmpExt"},
    {"http://ns.adobe.com/hdr-gain-map/1.0/", "hdrgm"},
    {"http://ns.apple.com/HDRGainMap/1.0/", "HDRGainMap"},
    {"http://ns.apple.com/pixeldatainfo/1.0/", "apdi"},
    {"http://ns.google.com/photos/1.0/container/", "Container"},
    {"http://ns.google.com/photos/1.0/container/item/", "Item"},
    {"http://ns.google.com/photos/1.0/camera/", "GCamera"},
    {"http://www.metadataworkinggroup.com/schemas/regions/", "mwg-rs"},
    {"http://ns.adobe.com/xap/1.0/sType/Dimensions#", "stDim"},
    {"http://ns.microsoft.com/photo/1.2/", "MP"},
};

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t')
            out += c;
    }
    return out;
}

bool space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class Rewriter {
public:
    Rewriter(std::string_view in, Size size, bool record, bool turned = false)
        : in_(in), size_(size), record_(record), turned_(turned) {}

    // False when the text is not well-formed.
    bool run() {
        declare();
        out_.reserve(in_.size() + 1024);
        for (std::size_t at = 0; at < in_.size();) {
            const std::size_t tag = in_.find('<', at);
            out_ += in_.substr(at, tag - at);
            if (tag == std::string_view::npos) break;
            at = markup(tag);
            if (at == std::string_view::npos) return false;
        }
        return open_.empty();
    }

    std::string out_;
    std::string about_, system_;  // rdf:about, and the systems recorded before
    bool stays_ = false;          // says that it was synthesised
    bool gain_map_ = false, film_ = false, comment_ = false, places_ = false;

private:
    enum class Act { keep, drop, set };
    struct Open {
        std::string_view name;  // as written
        std::string known;
        std::size_t begin, content;  // in out_
        bool children = false;
    };

    // Which prefix stands for what. The last declaration of one counts, wherever it is.
    void declare() {
        for (std::size_t at = in_.find("xmlns:"); at != std::string_view::npos; at = in_.find("xmlns:", at)) {
            at += 6;
            const std::size_t equals =
                in_.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", at);
            if (equals == std::string_view::npos) return;
            std::size_t quote = equals;
            while (quote < in_.size() && (space(in_[quote]) || in_[quote] == '=')) ++quote;
            if (quote >= in_.size() || (in_[quote] != '"' && in_[quote] != '\'')) continue;
            const std::string_view rest = in_.substr(quote + 1, 300);  // a longer one is none of ours
            const std::string_view uri = rest.substr(0, rest.find(in_[quote]));
            std::string_view known = "?";
            for (const auto& [full, prefix] : kSpaces)
                if (uri == full) known = prefix;
            const std::string_view prefix = in_.substr(at, equals - at);
            bool ours = known != "?";
            for (const auto& space : kSpaces) ours = ours || prefix == space.second;
            if (ours) prefixes_[prefix] = known;
        }
    }
    // A name with the prefix used here. One without declaration is taken for what it usually means.
    std::string known(std::string_view name) const {
        const std::size_t colon = name.find(':');
        if (colon == std::string_view::npos) return std::string(name);
        const auto found = prefixes_.find(name.substr(0, colon));
        std::string_view prefix = found == prefixes_.end() ? name.substr(0, colon) : found->second;
        if (prefix == "xap") prefix = "xmp";
        return std::string(prefix) + std::string(name.substr(colon));
    }

    // What becomes of a property; `value_` is what to set.
    Act property(const std::string& name, std::string_view value) {
        const auto prefix = std::string_view(name).substr(0, name.find(':'));
        const auto set = [&](std::string text) {
            value_ = std::move(text);
            return Act::set;
        };
        if (prefix == "tiff" || prefix == "exif") {
            if (name == "tiff:Orientation") return set("1");
            if (name == "tiff:ImageWidth" || name == "exif:PixelXDimension") return set(std::to_string(size_.width));
            if (name == "tiff:ImageLength" || name == "exif:PixelYDimension") return set(std::to_string(size_.height));
            if (name == "exif:UserComment") comment_ = true;
        }
        // Regions are parts of the picture's sides, and stay where they are; the subject's place is in pixels.
        if (name == "mwg-rs:Regions" || name == "MP:RegionInfo" || name == "exif:SubjectArea" ||
            name == "exif:SubjectLocation") {
            places_ = true;
            return turned_ || prefix == "exif" ? Act::drop : Act::keep;
        }
        if (prefix == "stDim" && of_regions()) {
            if (name == "stDim:w") return set(std::to_string(size_.width));
            if (name == "stDim:h") return set(std::to_string(size_.height));
        }
        if (name == "xmp:Thumbnails" || name == "xmpNote:HasExtendedXMP") return Act::drop;
        if (name == "rdf:about" && about_.empty()) about_ = value;
        // What was beside the picture in its file is not beside it any more.
        if (prefix == "hdrgm" || prefix == "HDRGainMap" || prefix == "apdi") {
            gain_map_ = true;
            return Act::drop;
        }
        if (name == "Item:Semantic") {
            gain_map_ = gain_map_ || value == "GainMap";
            film_ = film_ || value == "MotionPhoto";
        }
        if (name == "Container:Directory") return Act::drop;
        if (prefix == "GCamera" &&
            (name.find(":MotionPhoto") != std::string::npos || name.find(":MicroVideo") != std::string::npos)) {
            film_ = true;
            return Act::drop;
        }
        if (record_ && name == "Iptc4xmpExt:AISystemUsed") {
            if (value.find('<') == std::string_view::npos) system_ = value;
            return Act::drop;
        }
        // A picture that says it was synthesised stays that; a photograph or scan becomes an enhanced one.
        if (record_ && name == "Iptc4xmpExt:DigitalSourceType") {
            bool stays = false;
            value = value.substr(0, 1000);
            for (const char* word : {"lgorithmic", "ynthetic", "composite", "virtualRecording", "digitalCreation"})
                stays = stays || value.find(word) != std::string_view::npos;
            stays_ = stays_ || stays;
            return stays ? Act::keep : Act::drop;
        }
        return Act::keep;
    }

    // Whether what is read belongs to the size of the picture for which regions are stated.
    bool of_regions() const {
        constexpr std::string_view kSize = "mwg-rs:AppliedToDimensions";
        return element_ == kSize ||
               std::any_of(open_.begin(), open_.end(), [&](const Open& o) { return o.known == kSize; });
    }

    // Handles what begins with '<' at `at`; where it ends, or npos.
    std::size_t markup(std::size_t at) {
        const auto copy = [&](std::string_view end, std::size_t from) {
            const std::size_t found = in_.find(end, from);
            if (found == std::string_view::npos) return found;
            out_ += in_.substr(at, found + end.size() - at);
            return found + end.size();
        };
        const std::string_view rest = in_.substr(at, 9);
        if (rest.starts_with("<!--")) return copy("-->", at + 4);
        if (rest.starts_with("<![CDATA[")) return copy("]]>", at + 9);
        if (rest.starts_with("<?")) return copy("?>", at + 2);
        if (rest.starts_with("<!")) return copy(">", at + 2);
        return rest.starts_with("</") ? close(at) : open(at);
    }

    std::size_t close(std::size_t at) {
        const std::size_t end = in_.find('>', at);
        if (end == std::string_view::npos || open_.empty()) return std::string_view::npos;
        std::string_view name = in_.substr(at + 2, end - at - 2);
        while (!name.empty() && space(name.back())) name.remove_suffix(1);
        const Open element = std::move(open_.back());
        open_.pop_back();
        element_.clear();
        if (element.name != name) return std::string_view::npos;
        const auto value = std::string_view(out_).substr(element.content);
        const Act act = property(element.known, value);
        if (act == Act::set && !element.children) out_.replace(element.content, std::string::npos, value_);
        out_ += in_.substr(at, end + 1 - at);
        if (act == Act::drop) out_.resize(element.begin);
        return end + 1;
    }

    std::size_t open(std::size_t at) {
        const std::size_t begin = out_.size();
        std::size_t i = at + 1;
        while (i < in_.size() && !space(in_[i]) && in_[i] != '>' && in_[i] != '/' && in_[i] != '<') ++i;
        const std::string_view name = in_.substr(at + 1, i - at - 1);
        if (name.empty() || open_.size() >= kDeepest) return std::string_view::npos;
        if (!open_.empty()) open_.back().children = true;
        element_ = known(name);
        out_ += in_.substr(at, i - at);
        std::string_view resource;
        for (;;) {
            const std::size_t before = i;
            while (i < in_.size() && space(in_[i])) ++i;
            if (i >= in_.size() || in_[i] == '<') return std::string_view::npos;
            if (in_[i] == '>') {
                out_ += in_.substr(before, i + 1 - before);
                open_.push_back({name, known(name), begin, out_.size(), false});
                return i + 1;
            }
            if (in_[i] == '/') {
                if (i + 1 >= in_.size() || in_[i + 1] != '>') return std::string_view::npos;
                out_ += in_.substr(before, i + 2 - before);
                if (property(known(name), resource) == Act::drop) out_.resize(begin);
                return i + 2;
            }
            const std::size_t start = i;
            while (i < in_.size() && !space(in_[i]) && in_[i] != '=' && in_[i] != '>' && in_[i] != '<') ++i;
            const std::string attribute = known(in_.substr(start, i - start));
            while (i < in_.size() && space(in_[i])) ++i;
            if (i >= in_.size() || in_[i] != '=') return std::string_view::npos;
            ++i;
            while (i < in_.size() && space(in_[i])) ++i;
            if (i >= in_.size() || (in_[i] != '"' && in_[i] != '\'')) return std::string_view::npos;
            const std::size_t end = in_.find(in_[i], i + 1);
            if (end == std::string_view::npos) return end;
            const std::string_view value = in_.substr(i + 1, end - i - 1);
            if (attribute == "rdf:resource") resource = value;
            const Act act = property(attribute, value);
            if (act == Act::keep) out_ += in_.substr(before, end + 1 - before);
            if (act == Act::set) out_ += std::string(in_.substr(before, i + 1 - before)) + value_ + in_[i];
            i = end + 1;
        }
    }

    std::string_view in_;
    Size size_;
    bool record_, turned_;
    std::string value_;
    std::string element_;  // whose attributes are read
    std::vector<Open> open_;
    std::unordered_map<std::string_view, std::string_view> prefixes_;
};

std::string description(const std::string& about, const char* space, const std::string& inside) {
    std::string quoted;
    for (const char c : about) quoted += c == '"' ? std::string("&quot;") : std::string(1, c);
    return "<rdf:Description rdf:about=\"" + quoted + "\" " + space + ">" + inside + "</rdf:Description>";
}

constexpr const char* kIptcSpace = "xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"";
constexpr const char* kExifSpace = "xmlns:exif=\"http://ns.adobe.com/exif/1.0/\"";

}  // namespace

std::string updated_xmp(const std::string& xmp, Size size, const std::string& model, const std::string& comment,
                        bool turned) {
    const std::string system = model.empty() ? "" : escaped("enlarge, network " + model);
    std::string added;
    if (xmp.empty() && model.empty() && comment.empty()) return xmp;
    Rewriter rewriter(xmp, size, !model.empty(), turned);
    std::string out;
    if (xmp.empty()) {
        out =
            "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
            "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
            "</rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>";
    } else {
        if (!rewriter.run()) return xmp;
        out = std::move(rewriter.out_);
    }
    const std::size_t end = out.rfind("</rdf:RDF>");
    if (end == std::string::npos) return out;
    if (!model.empty()) {
        const std::string& before = rewriter.system_;
        std::string inside;
        if (!rewriter.stays_)
            inside = std::string("<Iptc4xmpExt:DigitalSourceType>") + kEnhanced + "</Iptc4xmpExt:DigitalSourceType>";
        const std::string systems = before.empty()                             ? system
                                    : before.find(system) != std::string::npos ? before
                                                                               : before + "; " + system;
        inside += "<Iptc4xmpExt:AISystemUsed>" + systems + "</Iptc4xmpExt:AISystemUsed>";
        added = description(rewriter.about_, kIptcSpace, inside);
    }
    if (!comment.empty() && !rewriter.comment_)
        added += description(rewriter.about_, kExifSpace,
                             "<exif:UserComment><rdf:Alt><rdf:li xml:lang=\"x-default\">" + escaped(comment) +
                                 "</rdf:li></rdf:Alt></exif:UserComment>");
    return out.insert(end, added);
}

XmpClaims xmp_claims(const std::string& xmp) {
    Rewriter rewriter(xmp, {}, false);
    if (!rewriter.run()) return {};
    return {rewriter.gain_map_, rewriter.film_, rewriter.comment_, rewriter.places_};
}

std::string merged_xmp(const std::string& main, const std::string& extended) {
    const std::size_t start = extended.find("<rdf:RDF"), body = extended.find('>', start),
                      end = extended.rfind("</rdf:RDF>");
    const std::size_t place = main.rfind("</rdf:RDF>");
    if (start == std::string::npos || body == std::string::npos || end == std::string::npos || end <= body ||
        place == std::string::npos)
        return {};
    // Names that are declared outside of what is taken would lose their meaning.
    std::size_t declared = 0;
    for (std::size_t at = extended.find("xmlns:"); at < body; at = extended.find("xmlns:", at + 1))
        declared += extended.compare(at, 8, "xmlns:x=") != 0 && extended.compare(at, 10, "xmlns:rdf=") != 0;
    if (declared) return {};
    return main.substr(0, place) + extended.substr(body + 1, end - body - 1) + main.substr(place);
}

}  // namespace enlarge::pictures
