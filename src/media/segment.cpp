// SPDX-License-Identifier: Apache-2.0
#include "media/segment.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <sstream>

#include "media/ffmpeg.hpp"

extern "C" {
#include <libavutil/crc.h>
}

namespace enlarge::media {

namespace {

constexpr char kMagic[8] = {'E', 'N', 'L', 'S', 'E', 'G', '1', '\n'};

Error failed(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }

// The fixed part of a packet on disk; machine byte order.
struct PacketHeader {
    std::int64_t pts, dts, duration;
    std::int32_t flags, side_data, size, reserved;
};

}  // namespace

std::uint32_t checksum(std::uint32_t start, const void* data, std::size_t size) {
    return av_crc(av_crc_get_table(AV_CRC_32_IEEE), start, static_cast<const std::uint8_t*>(data), size);
}

std::string store(const Segment& s) {
    std::string line;
    for (const std::int64_t number : {s.first, s.frames, s.packets, s.bytes, s.last_duration})
        line += std::to_string(number) + ' ';
    return line + std::to_string(s.sum);
}

Result<Segment> restore_segment(const std::string& line) {
    std::istringstream numbers(line);
    Segment s;
    bool good = static_cast<bool>(numbers >> s.first >> s.frames >> s.packets >> s.bytes >> s.last_duration >> s.sum);
    for (const std::int64_t count : {s.first, s.frames, s.packets, s.bytes})
        good = good && count >= 0 && count <= kMostCounted;
    if (!good) return Error{Errc::format, "'" + line.substr(0, 80) + "' is no segment: six numbers were expected"};
    return s;
}

bool holds(const OwnFolder& folder, const std::string& name, const Segment& segment) {
    auto in = folder.stream(name, "r");
    if (!in) return false;
    std::vector<char> block(1 << 20);
    std::uint32_t sum = 0;
    std::int64_t bytes = 0;
    for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), *in)) > 0;) {
        sum = checksum(sum, block.data(), got);
        bytes += static_cast<std::int64_t>(got);
    }
    std::fclose(*in);
    return bytes == segment.bytes && sum == segment.sum;
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(const OwnFolder& folder, std::string name,
                                                             std::int64_t first, const VideoTrack& track) {
    std::unique_ptr<SegmentWriter> writer(new SegmentWriter(folder, std::move(name)));
    writer->segment_.first = first;
    TRY(writer->file_, folder.stream(writer->part(), "w"));
    TRY(writer->write(kMagic, sizeof kMagic));
    const std::string header = store(track);
    const auto size = static_cast<std::uint32_t>(header.size());
    TRY(writer->write(&size, sizeof size));
    TRY(writer->write(header.data(), header.size()));
    return writer;
}

SegmentWriter::~SegmentWriter() {
    if (!file_) return;
    std::fclose(file_);
    folder_.unlink(part());
}

Result<void> SegmentWriter::write(const void* data, std::size_t size) {
    if (size && std::fwrite(data, 1, size, file_) != size) return failed(folder_.path() + "/" + name_);
    segment_.sum = checksum(segment_.sum, data, size);
    segment_.bytes += static_cast<std::int64_t>(size);
    return {};
}

Result<void> SegmentWriter::add(const Packet& packet) {
    const AVPacket& p = *packet.av();
    const PacketHeader header{p.pts, p.dts, p.duration, p.flags, p.side_data_elems, p.size, 0};
    TRY(write(&header, sizeof header));
    for (int i = 0; i < p.side_data_elems; ++i) {
        const std::int32_t words[2] = {p.side_data[i].type, static_cast<std::int32_t>(p.side_data[i].size)};
        TRY(write(words, sizeof words));
        TRY(write(p.side_data[i].data, p.side_data[i].size));
    }
    ++segment_.packets;
    return write(p.data, static_cast<std::size_t>(p.size));
}

Result<Segment> SegmentWriter::finish(std::int64_t frames, std::int64_t last_duration) {
    bool good = std::fflush(file_) == 0 && ::fsync(::fileno(file_)) == 0;
    const int reason = errno;
    good = std::fclose(file_) == 0 && good;
    file_ = nullptr;
    if (!good) {
        errno = reason;
        Error error = failed(folder_.path() + "/" + name_);
        folder_.unlink(part());
        return error;
    }
    TRY(folder_.rename(part(), name_));
    TRY(folder_.sync());
    segment_.frames = frames;
    segment_.last_duration = last_duration;
    return segment_;
}

namespace {

class Reader final : public SegmentPackets {
public:
    Reader(const OwnFolder& folder, std::vector<NamedSegment> segments)
        : folder_(folder), segments_(std::move(segments)) {}
    ~Reader() override {
        if (file_) std::fclose(file_);
    }
    [[nodiscard]] const VideoTrack& track() const override { return track_; }

    // Reads all presentation times, which decide the decoding times.
    Result<void> prepare() {
        std::vector<std::int64_t> times;
        for (;;) {
            TRY(const bool more, read(false));
            if (!more) break;
            times.push_back(header_.pts);
        }
        sorted_ = times;
        std::sort(sorted_.begin(), sorted_.end());
        for (std::size_t i = 0; i < times.size(); ++i) {
            const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), times[i]);
            const auto rank = static_cast<std::size_t>(at - sorted_.begin());
            if (i > rank) reorder_ = std::max(reorder_, i - rank);
        }
        if (reorder_ > 0 && !sorted_.empty()) {
            const std::size_t reach = std::min(reorder_, sorted_.size() - 1);
            const auto steps = static_cast<std::int64_t>(std::max<std::size_t>(1, reach));
            step_ = std::max<std::int64_t>(1, (sorted_[reach] - sorted_[0]) / steps);
        }
        segment_ = 0;
        count_ = 0;
        return open(0);
    }

    Result<Packet> next() override {
        TRY(const bool more, read(true));
        if (!more) return Packet{};
        const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), header_.pts);
        AVPacket& p = *packet_;
        p.pts = header_.pts;
        if (count_ >= reorder_) p.dts = sorted_[count_ - reorder_];
        else p.dts = sorted_[0] - static_cast<std::int64_t>(reorder_ - count_) * step_;
        ++count_;
        if (at + 1 != sorted_.end()) p.duration = *(at + 1) - *at;
        else p.duration = std::max<std::int64_t>(0, segments_.back().segment.last_duration);
        p.flags = header_.flags;
        return Packet{std::shared_ptr<AVPacket>(packet_.release(), FreeAv{})};
    }

private:
    [[nodiscard]] Error damaged() const { return {Errc::format, path(segment_) + ": damaged"}; }
    Result<void> get(void* data, std::size_t size) {
        if (size && std::fread(data, 1, size, file_) != size)
            return Error{Errc::io, path(segment_) + ": shorter than is written of it"};
        return {};
    }
    Result<void> open(std::size_t index) {
        if (file_) std::fclose(file_);
        file_ = nullptr;
        left_ = 0;
        if (index >= segments_.size()) return {};
        TRY(file_, folder_.stream(segments_[index].name, "r"));
        if (::fseeko(file_, segments_[index].offset, SEEK_SET) != 0) return failed(path(index));
        char magic[sizeof kMagic];
        TRY(get(magic, sizeof magic));
        std::uint32_t size = 0;
        TRY(get(&size, sizeof size));
        if (std::memcmp(magic, kMagic, sizeof magic) != 0 || size > (64u << 20))
            return Error{Errc::format, path(index) + ": not a segment"};
        std::string bytes(size, '\0');
        TRY(get(bytes.data(), size));
        TRY(VideoTrack track, restore_track(bytes));
        if (index == 0) track_ = std::move(track);
        else if (track.extradata != track_.extradata || track.time_base != track_.time_base)
            return Error{Errc::internal, path(index) + ": the encoder's headers differ from the first segment's"};
        left_ = segments_[index].segment.packets;
        return {};
    }
    // The next packet's header into header_, its data into packet_ or passed over. False at the end of all.
    Result<bool> read(bool data) {
        while (left_ == 0) {
            if (file_) ++segment_;
            if (segment_ >= segments_.size()) return false;
            TRY(open(segment_));
        }
        --left_;
        TRY(get(&header_, sizeof header_));
        if (header_.pts < -kFarthest || header_.pts > kFarthest) return damaged();
        if (data) packet_ = new_packet();
        for (int i = 0; i < header_.side_data; ++i) {
            std::int32_t words[2];
            TRY(get(words, sizeof words));
            if (words[1] < 0 || words[1] > segments_[segment_].segment.bytes) return damaged();
            if (data) {
                std::uint8_t* side = av_packet_new_side_data(
                    packet_.get(), static_cast<AVPacketSideDataType>(words[0]), static_cast<std::size_t>(words[1]));
                if (!side) throw std::bad_alloc();
                TRY(get(side, static_cast<std::size_t>(words[1])));
            } else if (std::fseek(file_, words[1], SEEK_CUR) != 0) {
                return failed(path(segment_));
            }
        }
        // More than the file has would be allocated before its end is seen.
        if (header_.size < 0 || header_.size > segments_[segment_].segment.bytes) return damaged();
        if (data) {
            const auto size = static_cast<std::size_t>(header_.size);
            AVBufferRef* buffer = av_buffer_alloc(size + AV_INPUT_BUFFER_PADDING_SIZE);
            if (!buffer) throw std::bad_alloc();
            packet_->buf = buffer;
            packet_->data = buffer->data;
            packet_->size = header_.size;
            std::memset(buffer->data + header_.size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
            TRY(get(packet_->data, static_cast<std::size_t>(header_.size)));
        } else if (std::fseek(file_, header_.size, SEEK_CUR) != 0) {
            return failed(path(segment_));
        }
        return true;
    }

    [[nodiscard]] std::string path(std::size_t index) const { return folder_.path() + "/" + segments_[index].name; }

    const OwnFolder& folder_;
    std::vector<NamedSegment> segments_;
    VideoTrack track_;
    std::FILE* file_ = nullptr;
    std::size_t segment_ = 0, count_ = 0, reorder_ = 0;
    std::int64_t left_ = 0, step_ = 1;
    PacketHeader header_{};
    Av<AVPacket> packet_;
    std::vector<std::int64_t> sorted_;
};

}  // namespace

Result<std::unique_ptr<SegmentPackets>> read_segments(const OwnFolder& folder, std::vector<NamedSegment> segments) {
    ENSURE(!segments.empty());
    auto packets = std::make_unique<Reader>(folder, std::move(segments));
    TRY(packets->prepare());
    return std::unique_ptr<SegmentPackets>(std::move(packets));
}

}  // namespace enlarge::media
