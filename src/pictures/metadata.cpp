// SPDX-License-Identifier: Apache-2.0
#include "pictures/metadata.hpp"

#include <cstring>
#include <vector>

#include "pictures/boxes.hpp"
#include "pictures/input.hpp"

namespace enlarge::pictures {
namespace {

constexpr const char* kEnhanced = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced";

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else if (c == '&') out += "&amp;";
        else if (c == '"') out += "&quot;";
        else if (static_cast<unsigned char>(c) >= 0x20) out += c;
    }
    return out;
}

// One occurrence of a property in an XMP packet: `a:b="value"` or `<a:b>value</a:b>` or `<a:b rdf:resource="value"/>`.
struct Property {
    std::size_t begin, end;              // all of it
    std::size_t value_begin, value_end;
};

bool name_ends(const std::string& xmp, std::size_t at) {
    return at < xmp.size() && std::strchr(" \t\r\n=>/", xmp[at]) && xmp[at] != '\0';
}

// The next occurrence at or after `from`; false when there is none.
bool find_property(const std::string& xmp, const std::string& name, std::size_t from, Property& found) {
    for (std::size_t at = xmp.find(name, from); at != std::string::npos; at = xmp.find(name, at + 1)) {
        const std::size_t after = at + name.size();
        if (at == 0 || !name_ends(xmp, after)) continue;
        const char before = xmp[at - 1];
        if (before == '<') {
            const std::size_t tag_end = xmp.find('>', after);
            if (tag_end == std::string::npos) return false;
            if (xmp[tag_end - 1] == '/') {  // empty: the value is rdf:resource, or nothing
                const std::size_t resource = xmp.find("rdf:resource=", after);
                found = {at - 1, tag_end + 1, tag_end - 1, tag_end - 1};
                if (resource != std::string::npos && resource + 14 < tag_end) {
                    const std::size_t close = xmp.find(xmp[resource + 13], resource + 14);
                    if (close != std::string::npos && close < tag_end) found.value_begin = resource + 14, found.value_end = close;
                }
                return true;
            }
            const std::string closing = "</" + name;
            const std::size_t close = xmp.find(closing, tag_end);
            const std::size_t end = close == std::string::npos ? close : xmp.find('>', close);
            if (end == std::string::npos) return false;
            found = {at - 1, end + 1, tag_end + 1, close};
            return true;
        }
        if (before == ' ' || before == '\t' || before == '\n' || before == '\r') {
            const std::size_t equals = xmp.find_first_not_of(" \t\r\n", after);
            if (equals == std::string::npos || xmp[equals] != '=') continue;
            const std::size_t quote = xmp.find_first_not_of(" \t\r\n", equals + 1);
            if (quote == std::string::npos || (xmp[quote] != '"' && xmp[quote] != '\'')) continue;
            const std::size_t close = xmp.find(xmp[quote], quote + 1);
            if (close == std::string::npos) return false;
            found = {at - 1, close + 1, quote + 1, close};
            return true;
        }
    }
    return false;
}

void set_property(std::string& xmp, const std::string& name, const std::string& value) {
    Property p{};
    for (std::size_t from = 0; find_property(xmp, name, from, p);) {
        const std::string old = xmp.substr(p.value_begin, p.value_end - p.value_begin);
        if (old.find('<') == std::string::npos) xmp.replace(p.value_begin, p.value_end - p.value_begin, value);
        from = p.value_begin + value.size();
        if (from >= xmp.size()) return;
    }
}

void remove_property(std::string& xmp, const std::string& name) {
    Property p{};
    while (find_property(xmp, name, 0, p)) xmp.erase(p.begin, p.end - p.begin);
}

std::string property(const std::string& xmp, const std::string& name) {
    Property p{};
    return find_property(xmp, name, 0, p) ? xmp.substr(p.value_begin, p.value_end - p.value_begin) : "";
}

std::string provenance(const std::string& about, bool source_type, const std::string& system) {
    std::string text = "<rdf:Description rdf:about=\"" + about +
                       "\" xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\">";
    if (source_type) text += std::string("<Iptc4xmpExt:DigitalSourceType>") + kEnhanced + "</Iptc4xmpExt:DigitalSourceType>";
    text += "<Iptc4xmpExt:AISystemUsed>" + system + "</Iptc4xmpExt:AISystemUsed>";
    return text + "</rdf:Description>";
}

void set_blob(VipsImage* image, const char* name, const std::string& bytes) {
    vips_image_set_blob_copy(image, name, bytes.data(), bytes.size());
}

}  // namespace

std::span<const std::byte> blob(VipsImage* image, const char* name) {
    const void* data = nullptr;
    std::size_t size = 0;
    if (!vips_image_get_typeof(image, name)) return {};
    if (vips_image_get_blob(image, name, &data, &size) != 0) {
        vips_error_clear();
        return {};
    }
    return {static_cast<const std::byte*>(data), size};
}

bool icc_is_grey(std::span<const std::byte> profile) {
    return profile.size() >= 128 && std::memcmp(profile.data() + 16, "GRAY", 4) == 0;
}

std::string icc_description(std::span<const std::byte> profile) {
    if (profile.size() < 132) return {};
    const std::uint32_t tags = u32_be(profile, 128);
    for (std::uint32_t i = 0; i < tags && i < 100 && 132 + 12 * (std::size_t{i} + 1) <= profile.size(); ++i) {
        const std::size_t entry = 132 + 12 * std::size_t{i};
        if (std::memcmp(profile.data() + entry, "desc", 4) != 0) continue;
        const std::size_t at = u32_be(profile, entry + 4), size = u32_be(profile, entry + 8);
        if (at > profile.size() || size > profile.size() - at || size < 28) return {};
        const auto tag = profile.subspan(at, size);
        std::string text;
        if (std::memcmp(tag.data(), "desc", 4) == 0) {  // version 2: ASCII
            const std::size_t length = u32_be(tag, 8);
            for (std::size_t c = 0; c < length && 12 + c < tag.size(); ++c) text += static_cast<char>(tag[12 + c]);
        } else if (std::memcmp(tag.data(), "mluc", 4) == 0) {  // version 4: UTF-16, first language
            const std::size_t length = u32_be(tag, 20), offset = u32_be(tag, 24);
            for (std::size_t c = 0; c + 1 < length && offset < tag.size() && c + 1 < tag.size() - offset; c += 2)
                text += tag[offset + c] == std::byte{0} ? static_cast<char>(tag[offset + c + 1]) : '?';
        }
        std::string clean;
        for (const char c : text)
            if (c >= 0x20 && c < 0x7f) clean += c;
        return clean.substr(0, 100);
    }
    return {};
}

std::string updated_xmp(std::string xmp, Size size, const std::string& model) {
    const std::string system = model.empty() ? "" : escaped("enlarge, network " + model);
    if (xmp.empty()) {
        if (model.empty()) return xmp;
        return "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
               "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">" +
               provenance("", true, system) + "</rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>";
    }
    set_property(xmp, "tiff:Orientation", "1");
    set_property(xmp, "tiff:ImageWidth", std::to_string(size.width));
    set_property(xmp, "tiff:ImageLength", std::to_string(size.height));
    set_property(xmp, "exif:PixelXDimension", std::to_string(size.width));
    set_property(xmp, "exif:PixelYDimension", std::to_string(size.height));
    remove_property(xmp, "xmp:Thumbnails");
    remove_property(xmp, "xap:Thumbnails");
    const std::size_t end = xmp.rfind("</rdf:RDF>");
    if (model.empty() || end == std::string::npos) return xmp;

    // A picture that says it was synthesised stays that; a photograph or scan becomes an enhanced one.
    const std::string type = property(xmp, "Iptc4xmpExt:DigitalSourceType");
    bool stays = false;
    for (const char* word : {"lgorithmic", "ynthetic", "composite", "virtualRecording", "digitalCreation"})
        stays = stays || type.find(word) != std::string::npos;
    if (!stays) remove_property(xmp, "Iptc4xmpExt:DigitalSourceType");
    const std::string before = property(xmp, "Iptc4xmpExt:AISystemUsed");
    remove_property(xmp, "Iptc4xmpExt:AISystemUsed");
    const bool again = before.find(system) != std::string::npos;
    const std::string about = property(xmp, "rdf:about");
    xmp.insert(xmp.rfind("</rdf:RDF>"), provenance(about, !stays, before.empty() ? system : again ? before : before + "; " + system));
    return xmp;
}

void update_metadata(VipsImage* image, Size size, PictureFormat format, const std::string& model) {
    const auto old_exif = blob(image, VIPS_META_EXIF_NAME);
    if (!old_exif.empty()) {
        Bytes exif(old_exif.begin(), old_exif.end());
        update_exif(exif, size);
        vips_image_set_blob_copy(image, VIPS_META_EXIF_NAME, exif.data(), exif.size());
        // Setting the block made libvips parse it into fields, from which it will write a new one.
        vips_image_set_int(image, VIPS_META_ORIENTATION, 1);
        vips_image_remove(image, "jpeg-thumbnail-data");
        char** const fields = vips_image_get_fields(image);
        for (char** field = fields; *field; ++field)
            if (std::strncmp(*field, "exif-ifd1-", 10) == 0) vips_image_remove(image, *field);
        g_strfreev(fields);
    } else {
        vips_image_remove(image, VIPS_META_ORIENTATION);
    }
    if (const auto iptc = blob(image, VIPS_META_IPTC_NAME); !iptc.empty()) {
        const Bytes block = format == PictureFormat::tiff ? iptc_for_tiff(iptc) : iptc_for_jpeg(iptc);
        vips_image_set_blob_copy(image, VIPS_META_IPTC_NAME, block.data(), block.size());
    }
    const auto old = blob(image, VIPS_META_XMP_NAME);
    const std::string xmp = updated_xmp({reinterpret_cast<const char*>(old.data()), old.size()}, size, model);
    if (!xmp.empty()) set_blob(image, VIPS_META_XMP_NAME, xmp);
}

}  // namespace enlarge::pictures
