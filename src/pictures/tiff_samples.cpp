// SPDX-License-Identifier: Apache-2.0
// TIFF files of half and double floats, which libvips 8.14 does not read. libvips is shown the same file with other
// tags: halves as 16-bit integers, each double as two 32-bit ones. What comes out is then taken for what it is.
#include "pictures/tiff_samples.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/half.hpp"

namespace enlarge::pictures {
namespace {

constexpr std::uint16_t kBits = 258, kSamples = 277, kPlanar = 284, kPredictor = 317, kFormat = 339;
constexpr std::uint64_t kFloat = 3;

std::uint64_t number(const Input& file, std::int64_t at, std::size_t size, bool big_endian) {
    const auto bytes = file.read_at(at, size);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        value = value << 8 | static_cast<std::uint64_t>(bytes[big_endian ? i : bytes.size() - 1 - i]);
    return value;
}

// The file with some of its bytes replaced, as a source for libvips.
struct Patched {
    const Input* file;
    std::vector<TiffSamples::Patch> patches;
    std::int64_t at = 0;
};

gint64 on_read(VipsSourceCustom*, void* to, gint64 length, Patched* from) {
    const auto bytes = from->file->read_at(from->at, static_cast<std::size_t>(std::max<gint64>(length, 0)));
    auto* out = static_cast<std::byte*>(to);
    std::copy(bytes.begin(), bytes.end(), out);
    for (const TiffSamples::Patch& patch : from->patches)
        for (std::size_t i = 0; i < patch.bytes.size(); ++i) {
            const std::int64_t place = patch.at + static_cast<std::int64_t>(i) - from->at;
            if (place >= 0 && place < static_cast<std::int64_t>(bytes.size())) out[place] = patch.bytes[i];
        }
    from->at += static_cast<std::int64_t>(bytes.size());
    return static_cast<gint64>(bytes.size());
}
gint64 on_seek(VipsSourceCustom*, gint64 offset, int whence, Patched* in) {
    const std::int64_t to = whence == SEEK_SET   ? offset
                            : whence == SEEK_CUR ? in->at + offset
                                                 : in->file->size() + offset;
    if (to < 0) return -1;
    return in->at = to;
}
void forget(gpointer patched, GClosure*) { delete static_cast<Patched*>(patched); }

}  // namespace

Result<TiffSamples> find_tiff_samples(const Input& file, int page) {
    TiffSamples found;
    const auto head = file.read_at(0, 4);
    if (head.size() < 4) return found;
    const bool big_endian = head[0] == std::byte{'M'};
    const bool big_tiff = number(file, 2, 2, big_endian) == 43;
    const std::size_t word = big_tiff ? 8 : 4, count_size = big_tiff ? 8 : 2, step = big_tiff ? 20 : 12;
    std::uint64_t directory = number(file, big_tiff ? 8 : 4, word, big_endian), entries = 0;
    for (int i = 0;; ++i) {
        if (directory == 0 || directory > static_cast<std::uint64_t>(file.size())) return found;
        entries =
            std::min<std::uint64_t>(number(file, static_cast<std::int64_t>(directory), count_size, big_endian), 65535);
        if (i >= page) break;
        directory = number(file, static_cast<std::int64_t>(directory + count_size + step * entries), word, big_endian);
    }
    std::uint64_t bits = 1, samples = 1, planar = 1, predictor = 1, format = 1;
    std::int64_t bits_at = 0, samples_at = 0, format_at = 0;
    for (std::uint64_t i = 0; i < entries; ++i) {
        const auto at = static_cast<std::int64_t>(directory + count_size + step * i);
        const std::uint64_t tag = number(file, at, 2, big_endian), count = number(file, at + 4, word, big_endian);
        if (number(file, at + 2, 2, big_endian) != 3 || count == 0) continue;  // all of these are SHORT
        const std::int64_t inside = at + 4 + static_cast<std::int64_t>(word);
        const std::int64_t place =
            count * 2 <= word ? inside
                              : static_cast<std::int64_t>(number(file, inside, word, big_endian) & 0x7fffffffffffffffU);
        const std::uint64_t value = number(file, place, 2, big_endian);
        if (tag == kBits) bits = value, bits_at = at;
        if (tag == kSamples) samples = value, samples_at = at;
        if (tag == kPlanar) planar = value;
        if (tag == kPredictor) predictor = value;
        if (tag == kFormat) format = value, format_at = at;
    }
    if (format != kFloat || (bits != 16 && bits != 64) || bits_at == 0) return found;
    if (predictor == 3 || (bits == 64 && (predictor != 1 || planar != 1 || samples_at == 0 || samples > 8)))
        return Error{Errc::unsupported,
                     "is a TIFF of " + std::to_string(bits) + "-bit floats in a form that is not read (predictor " +
                         std::to_string(predictor) + (planar != 1 ? ", planes apart" : "") + "); 32-bit floats are"};
    found.kind = bits == 16 ? TiffSamples::half : TiffSamples::twice;
    found.swapped = big_endian;
    // One number for all channels, inside of the entry.
    const auto set = [&](std::int64_t at, std::uint64_t value) {
        TiffSamples::Patch patch{at + 4, {}};
        const auto put = [&](std::uint64_t part, std::size_t size) {
            for (std::size_t i = 0; i < size; ++i)
                patch.bytes.push_back(static_cast<std::byte>(part >> 8 * (big_endian ? size - 1 - i : i) & 0xff));
        };
        put(1, word), put(value, 2);
        while (patch.bytes.size() < 2 * word) patch.bytes.push_back({});
        found.patches.push_back(std::move(patch));
    };
    set(format_at, 1);
    if (bits == 64) set(bits_at, 32), set(samples_at, 2 * samples);
    return found;
}

SourcePtr TiffSamples::source(const Input& file) const {
    VipsSourceCustom* custom = vips_source_custom_new();
    auto* patched = new Patched{&file, patches, 0};
    g_signal_connect_data(custom, "read", G_CALLBACK(on_read), patched, forget, static_cast<GConnectFlags>(0));
    g_signal_connect(custom, "seek", G_CALLBACK(on_seek), patched);
    return SourcePtr(VIPS_SOURCE(custom));
}

int TiffSamples::restore(VipsImage* in, VipsImage** out) const {
    const std::unique_ptr<VipsObject, Unref> base(VIPS_OBJECT(vips_image_new()));  // holds what is made on the way
    auto** made = reinterpret_cast<VipsImage**>(vips_object_local_array(base.get(), 24));
    const int bands = kind == half ? in->Bands : in->Bands / 2;
    const VipsInterpretation meaning = bands <= 2 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_scRGB;
    if (kind == half) {
        std::vector<float> table(65536);
        for (std::size_t i = 0; i < table.size(); ++i) table[i] = half_to_float(static_cast<std::uint16_t>(i));
        made[0] =
            vips_image_new_from_memory_copy(table.data(), table.size() * sizeof(float), 65536, 1, 1, VIPS_FORMAT_FLOAT);
        return !made[0] || vips_maplut(in, &made[1], made[0], nullptr) ||
               vips_copy(made[1], out, "interpretation", meaning, nullptr);
    }
    VipsImage* words = in;
    if (swapped) {  // libtiff turns the bytes of each half of a double, not the halves
        for (int i = 0; i < in->Bands && i < 16; ++i)
            if (vips_extract_band(in, &made[i], i ^ 1, nullptr)) return -1;
        if (vips_bandjoin(made, &made[16], in->Bands, nullptr)) return -1;
        words = made[16];
    }
    return vips_copy(words, &made[17], "bands", bands, "format", VIPS_FORMAT_DOUBLE, "interpretation", meaning,
                     nullptr) ||
           vips_cast(made[17], out, VIPS_FORMAT_FLOAT, nullptr);
}

}  // namespace enlarge::pictures
