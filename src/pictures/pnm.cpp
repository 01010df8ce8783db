// SPDX-License-Identifier: Apache-2.0
#include "pictures/pnm.hpp"

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "image/format.hpp"

namespace enlarge::pictures {

std::span<const std::byte> pnm_header(Size size, const PixelFormat& pixels, PictureFormat format) {
    static thread_local std::string text;
    const bool grey = pixels.channels == 1;
    text = format == PictureFormat::pfm ? (grey ? "Pf\n" : "PF\n") : (grey ? "P5\n" : "P6\n");
    text += std::to_string(size.width) + " " + std::to_string(size.height) + "\n";
    text += format == PictureFormat::pfm ? "-1.0\n" : std::to_string(max_value(pixels)) + "\n";
    return std::as_bytes(std::span(text));
}

Result<void> write_pnm_rows(OutputFile& file, const ImageView& rows, PictureFormat format, Size size, int end) {
    const std::size_t samples = static_cast<std::size_t>(size.width) * rows.format.channels;
    const std::size_t bytes = samples * static_cast<std::size_t>(sample_bytes(rows.format.sample));
    const auto header = static_cast<std::int64_t>(pnm_header(size, rows.format, format).size());
    std::vector<std::byte> row(bytes);
    for (int y = 0; y < rows.size.height; ++y) {
        std::memcpy(row.data(), rows.row(0, y), bytes);
        if (rows.format.sample == SampleType::u16)  // the format is big-endian
            for (std::size_t i = 0; i < bytes; i += 2) std::swap(row[i], row[i + 1]);
        if (format == PictureFormat::pfm) {
            const std::int64_t place = size.height - (end - rows.size.height + y) - 1;
            TRY(file.seek(header + place * static_cast<std::int64_t>(bytes), SEEK_SET));
        }
        TRY(file.write(row));
    }
    return {};
}

}  // namespace enlarge::pictures
