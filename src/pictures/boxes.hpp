// SPDX-License-Identifier: Apache-2.0
// Metadata of picture files, read from and written into the files themselves: what libvips 8.14 leaves out (EXIF and
// XMP of JPEG XL, EXIF of TIFF, colours signalled outside a profile), loses (EXIF tags that libexif does not know,
// comments, texts, XMP beyond 64 KB) or writes where others do not look for it. Works on unread or finished files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pictures/input.hpp"
#include "pictures/output_file.hpp"
#include "pictures/signalling.hpp"

namespace enlarge::pictures {

using Bytes = std::vector<std::byte>;

// The most that any one kind of metadata may have; what is larger is left out.
inline constexpr std::int64_t kMostMetadata = std::int64_t{64} << 20;

struct Resolution {
    double x = 0, y = 0;  // pixels per millimetre; 0: not stated
    explicit operator bool() const { return x > 0 && y > 0; }
};

// sBIT of a PNG: how many bits of each sample mean something. No colours: not stated.
struct PngBits {
    std::vector<std::uint8_t> colours;  // 1 (grey) or 3
    std::uint8_t alpha = 0;             // 0: not stated
    std::uint8_t depth = 8;             // of the samples of which it is said

    // Whether it can be said of a result with these samples.
    [[nodiscard]] bool fits(const PixelFormat& pixels) const;
};
// bKGD of a PNG: the colour to show behind it. No colours: not stated.
struct PngBackground {
    std::vector<std::uint16_t> colours;  // 1 (grey) or 3
    std::uint8_t depth = 8;              // bits of a colour
};

struct Blocks {
    Bytes exif;                         // a TIFF structure, without "Exif\0\0"
    Bytes xmp;                          // one packet, "extended" parts merged into it
    Bytes iptc;                         // records alone
    std::vector<std::string> comments;  // of JPEG: bytes of an encoding that is not stated
    std::vector<Bytes> png_texts;       // tEXt, zTXt, iTXt that are none of the above: type and content as they are
    Bytes png_phys;                     // pHYs: its content
    PngBits png_bits;
    PngBackground png_background;
    Resolution resolution;              // as stated beside EXIF
    Signal signal;
    bool lossless = false;  // the pixels are stored without loss, in a format that could do otherwise
    bool gain_map = false, film = false, more_pictures = false;  // the file holds (or held) these beside the picture
    bool too_large = false;  // something was beyond kMostMetadata, or in a form that cannot be kept
};

// Reads what these formats hold beside what libvips gives. Never fail: what is damaged is left out.
Blocks read_jpeg_blocks(const Input& file);
Blocks read_png_blocks(const Input& file);   // no EXIF but that of "Raw profile" texts
Blocks read_webp_blocks(const Input& file);  // `lossless` only
Blocks read_heif_blocks(const Input& file);  // the signal and `gain_map` only
// From a JPEG XL container; empty for a bare codestream.
Blocks read_jxl_blocks(const Input& file);

// A PNG file up to its pixels: header, colours, and all that describes the picture.
struct PngHead {
    Size size;
    const PixelFormat& pixels;
    const Blocks& blocks;
    const Resolution& resolution;
    std::span<const std::byte> profile;  // ICC; may be empty
};
Bytes png_head(const PngHead& of);

// The segments of a JPEG file before its first scan: markers' second bytes and contents.
using JpegSegment = std::pair<std::uint8_t, Bytes>;
using ReadBytes = std::function<Bytes(std::int64_t at, std::size_t count)>;
// Returns where they end.
std::int64_t read_jpeg_segments(const ReadBytes& read, std::vector<JpegSegment>& segments);
// An ICC profile, in as many segments as it takes.
void append_jpeg_profile(std::vector<JpegSegment>& segments, std::span<const std::byte> profile);
// A JPEG file up to its first scan: these segments, and all that describes the picture in place of what they say of it.
Bytes jpeg_head(const std::vector<JpegSegment>& segments, const Blocks& blocks, const Resolution& resolution);

// Puts EXIF, XMP, comments and the signal, as far as the format has a place for them, into a finished file in
// place of what libvips wrote, and the resolution, or that there is none.
Result<void> put_jpeg_blocks(OutputFile& file, const Blocks& blocks, const Resolution& resolution);
// These have an EXIF block already, kPlaceholderExif or what libvips made of it, which is replaced; their XMP stays.
Result<void> put_webp_exif(OutputFile& file, std::span<const std::byte> exif);
Result<void> put_heif_blocks(OutputFile& file, const Blocks& blocks);
// Adds EXIF and XMP to a finished JPEG XL file, which becomes a container if it was not.
Result<void> add_jxl_blocks(OutputFile& file, const Blocks& blocks);

// A valid EXIF block with "Exif\0\0" that says nothing but "upright".
inline constexpr std::string_view kPlaceholderExif("Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\1\0\0\0\0\0\0\0", 32);
// The largest EXIF block that JPEG holds.
inline constexpr std::size_t kMostJpegExif = 65533 - 6;

// EXIF of a TIFF: camera, dates, author and the EXIF and GPS directories, as a block of its own. Empty when there is
// none.
Bytes read_tiff_exif(const Input& file);
// An EXIF block that states a resolution and nothing else.
Bytes resolution_exif(const Resolution& resolution);
// The resolution that an EXIF block states.
Resolution exif_resolution(std::span<const std::byte> exif);
// The IPTC records of a TIFF as it holds them.
Bytes read_tiff_iptc(const Input& file);

// How a picture became its enlargement: positions in it move along.
struct Enlargement {
    Size from, to;  // both upright
    bool turned;    // was not upright in its file
};
// Makes an EXIF block (with or without "Exif\0\0") say: upright, this size, no thumbnail; the subject's place moves along.
// All else stays where it is, since makers' notes hold offsets; the bytes of a thumbnail become zeros, or go where they
// were the last. Says whether the subject's place had to go: in a picture that was turned, or beyond 65535.
bool update_exif(Bytes& exif, const Enlargement& made);

// The IPTC block as JPEG holds it ("Photoshop 3.0" and resources) from either form, and as TIFF does (the records
// alone). Thumbnails among the resources are left out.
Bytes iptc_for_jpeg(std::span<const std::byte> iptc);
Bytes iptc_for_tiff(std::span<const std::byte> iptc);

// Puts an EXIF block on an image with all that libvips derives from one. Does nothing when it cannot be parsed.
void attach_exif(VipsImage* image, std::span<const std::byte> exif);

// Shared by those who rewrite files.
// Up to `count` bytes of a file that is being written; fewer at its end.
Bytes read_back(OutputFile& file, std::int64_t offset, std::size_t count);
// Replaces `removed` bytes at `at` by others; what follows moves. In bounded memory.
Result<void> splice(OutputFile& file, std::int64_t at, std::int64_t removed, std::span<const std::byte> inserted);
void append(Bytes& to, std::span<const std::byte> bytes);
void append(Bytes& to, std::string_view text);
void append_be(Bytes& to, std::uint64_t value, int bytes);
bool begins(std::span<const std::byte> bytes, std::string_view text, std::size_t at = 0);
std::string text_of(std::span<const std::byte> bytes);

}  // namespace enlarge::pictures
