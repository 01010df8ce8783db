// SPDX-License-Identifier: Apache-2.0
#include "media/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/log.hpp"
#include "media/ffmpeg.hpp"

extern "C" {
#include <libavutil/crc.h>
}

namespace enlarge::media {

namespace {

namespace fs = std::filesystem;
constexpr char kMagic[8] = {'E', 'N', 'L', 'S', 'E', 'G', '1', '\n'};

std::uint32_t crc(std::uint32_t start, const void* data, std::size_t size) {
    return av_crc(av_crc_get_table(AV_CRC_32_IEEE), start, static_cast<const std::uint8_t*>(data), size);
}

Error failed(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }

struct Segment {
    std::int64_t frames = 0, packets = 0, bytes = 0, last_duration = 0;
    std::uint32_t sum = 0;
};

// The fixed part of a packet on disk; machine byte order: a journal does not travel.
struct PacketHeader {
    std::int64_t pts, dts, duration;
    std::int32_t flags, side_data, size, reserved;
};

Result<void> sync_folder(const std::string& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed(folder);
    const int rc = ::fsync(fd);
    ::close(fd);
    if (rc != 0 && errno != EINVAL) return failed(folder);
    return {};
}

std::string escape(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') out += "\\n";
        else if (c == '\\') out += "\\\\";
        else out += c;
    }
    return out;
}
std::string unescape(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) out += text[++i] == 'n' ? '\n' : text[i];
        else out += text[i];
    }
    return out;
}

}  // namespace

struct Journal::State {
    std::string folder;
    Facts facts;
    std::vector<Segment> segments;
    bool complete = false;
    int lock = -1;
    // The open segment.
    std::FILE* file = nullptr;
    Segment current;

    [[nodiscard]] std::string segment_path(std::size_t index, const char* ending = "") const {
        char name[64];
        std::snprintf(name, sizeof name, "/segment-%06zu%s", index, ending);
        return folder + name;
    }
    Result<void> write(const void* data, std::size_t size) {
        if (size && std::fwrite(data, 1, size, file) != size) return failed(segment_path(segments.size()));
        current.sum = crc(current.sum, data, size);
        current.bytes += static_cast<std::int64_t>(size);
        return {};
    }
    [[nodiscard]] std::string text() const;
    Result<void> save() const;
    Result<bool> load();
    [[nodiscard]] bool whole(std::size_t index) const;
};

std::string Journal::State::text() const {
    std::ostringstream out;
    out << "enlarge journal 1\n";
    for (const auto& [name, value] : facts) out << "fact " << escape(name) << '\t' << escape(value) << '\n';
    for (const Segment& s : segments)
        out << "segment " << s.frames << ' ' << s.packets << ' ' << s.bytes << ' ' << s.last_duration << ' ' << s.sum << '\n';
    if (complete) out << "complete\n";
    std::string text = out.str();
    return text + "end " + std::to_string(crc(0, text.data(), text.size())) + "\n";
}

// A new file under another name, put on disk, then renamed: at any moment the old journal or the new one is there.
Result<void> Journal::State::save() const {
    const std::string body = text(), path = folder + "/journal", fresh = path + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return failed(fresh);
    std::size_t done = 0;
    while (done < body.size()) {
        const ssize_t n = ::write(fd, body.data() + done, body.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            Error error = failed(fresh);
            ::close(fd);
            return error;
        }
        done += static_cast<std::size_t>(n);
    }
    if (::fsync(fd) != 0) {
        Error error = failed(fresh);
        ::close(fd);
        return error;
    }
    ::close(fd);
    if (::rename(fresh.c_str(), path.c_str()) != 0) return failed(path);
    return sync_folder(folder);
}

// False when there is no journal.
Result<bool> Journal::State::load() {
    std::ifstream in(folder + "/journal", std::ios::binary);
    if (!in) return false;
    const std::string all((std::istreambuf_iterator<char>(in)), {});
    const auto end = all.rfind("end ");
    const Error damaged{Errc::format, folder + "/journal is damaged; --restart begins anew"};
    if (all.rfind("enlarge journal 1\n", 0) != 0 || end == std::string::npos ||
        all.substr(end) != "end " + std::to_string(crc(0, all.data(), end)) + "\n")
        return damaged;
    std::istringstream lines(all.substr(0, end));
    std::string line;
    while (std::getline(lines, line)) {
        if (line.rfind("fact ", 0) == 0) {
            const auto tab = line.find('\t');
            if (tab == std::string::npos) return damaged;
            facts.emplace_back(unescape(line.substr(5, tab - 5)), unescape(line.substr(tab + 1)));
        } else if (line.rfind("segment ", 0) == 0) {
            std::istringstream numbers(line.substr(8));
            Segment s;
            if (!(numbers >> s.frames >> s.packets >> s.bytes >> s.last_duration >> s.sum)) return damaged;
            segments.push_back(s);
        } else if (line == "complete") {
            complete = true;
        }
    }
    return true;
}

bool Journal::State::whole(std::size_t index) const {
    std::ifstream in(segment_path(index), std::ios::binary);
    std::vector<char> block(1 << 20);
    std::uint32_t sum = 0;
    std::int64_t bytes = 0;
    while (in) {
        in.read(block.data(), static_cast<std::streamsize>(block.size()));
        sum = crc(sum, block.data(), static_cast<std::size_t>(in.gcount()));
        bytes += in.gcount();
    }
    return bytes == segments[index].bytes && sum == segments[index].sum;
}

Journal::~Journal() {
    if (!state_) return;
    if (state_->file) {
        std::fclose(state_->file);
        ::unlink(state_->segment_path(state_->segments.size(), ".part").c_str());
    }
    if (state_->lock >= 0) ::close(state_->lock);
    // A folder in which nothing was finished says nothing.
    if (state_->segments.empty() && !state_->complete) {
        const auto removed = remove();
        (void)removed;
    }
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& folder, const Facts& facts, bool restart) {
    std::unique_ptr<State> s(new State);
    s->folder = folder;
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return failed(folder);
    s->lock = ::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (s->lock < 0) return failed(folder + "/lock");
    if (::flock(s->lock, LOCK_EX | LOCK_NB) != 0) {
        ::close(s->lock);
        return Error{Errc::exists, "another process is working on this output (" + folder + " is locked)"};
    }
    std::unique_ptr<Journal> journal(new Journal);
    bool found = false;
    if (!restart) {
        auto loaded = s->load();
        if (!loaded) {
            ::close(s->lock);
            return std::move(loaded).error();
        }
        found = *loaded;
    }
    if (found) {
        std::string differs;
        const auto shown = [](const std::string& value) { return value.empty() ? std::string("not given") : value; };
        for (const auto& fact : facts) {
            const auto old = std::find_if(s->facts.begin(), s->facts.end(), [&](const auto& f) { return f.first == fact.first; });
            const std::string was = old == s->facts.end() ? "nothing" : old->second;
            if (was != fact.second)
                differs += (differs.empty() ? "" : "; ") + fact.first + " was " + shown(was) + " and is " + shown(fact.second);
        }
        if (!differs.empty()) {
            ::close(s->lock);
            return Error{Errc::exists, "unfinished work of an earlier run is there (" + folder + "), and it was different: " + differs +
                                           "; --restart throws it away and begins anew"};
        }
        // What the journal names was on disk before it was named; this finds a failing disk.
        std::size_t good = 0;
        while (good < s->segments.size() && s->whole(good)) ++good;
        if (good < s->segments.size()) {
            log(LogLevel::warning, {"segment-damaged", s->segment_path(good) + " is damaged; the work continues from there"});
            s->segments.resize(good);
            s->complete = false;
        }
    }
    s->facts = facts;
    for (const auto& entry : fs::directory_iterator(folder)) {  // leftovers of a killed run
        const std::string name = entry.path().filename().string();
        if (name == "lock" || name == "journal") continue;
        bool listed = false;
        for (std::size_t i = 0; i < s->segments.size(); ++i) listed = listed || entry.path().string() == s->segment_path(i);
        std::error_code ignored;
        if (!listed && (name.rfind("segment-", 0) == 0 || name == "journal.new" || name.rfind("output", 0) == 0)) fs::remove(entry.path(), ignored);
    }
    auto saved = s->save();
    journal->state_ = std::move(s);
    TRY(std::move(saved));
    return journal;
}

std::int64_t Journal::frames() const {
    std::int64_t sum = 0;
    for (const Segment& s : state_->segments) sum += s.frames;
    return sum;
}
std::int64_t Journal::segments() const { return static_cast<std::int64_t>(state_->segments.size()); }
bool Journal::complete() const { return state_->complete; }
std::int64_t Journal::bytes() const {
    std::int64_t sum = 0;
    for (const Segment& s : state_->segments) sum += s.bytes;
    return sum;
}

Result<void> Journal::begin(const VideoTrack& track) {
    State& s = *state_;
    ENSURE(!s.file);
    s.current = {};
    const std::string path = s.segment_path(s.segments.size(), ".part");
    s.file = std::fopen(path.c_str(), "wbe");
    if (!s.file) return failed(path);
    TRY(s.write(kMagic, sizeof kMagic));
    const std::string header = store(track);
    const auto size = static_cast<std::uint32_t>(header.size());
    TRY(s.write(&size, sizeof size));
    return s.write(header.data(), header.size());
}

Result<void> Journal::add(const Packet& packet) {
    State& s = *state_;
    ENSURE(s.file);
    const AVPacket& p = *packet.av();
    const PacketHeader header{p.pts, p.dts, p.duration, p.flags, p.side_data_elems, p.size, 0};
    TRY(s.write(&header, sizeof header));
    for (int i = 0; i < p.side_data_elems; ++i) {
        const std::int32_t words[2] = {p.side_data[i].type, static_cast<std::int32_t>(p.side_data[i].size)};
        TRY(s.write(words, sizeof words));
        TRY(s.write(p.side_data[i].data, p.side_data[i].size));
    }
    ++s.current.packets;
    return s.write(p.data, static_cast<std::size_t>(p.size));
}

Result<void> Journal::close(std::int64_t frames, std::int64_t last_duration) {
    State& s = *state_;
    ENSURE(s.file);
    const std::string part = s.segment_path(s.segments.size(), ".part"), path = s.segment_path(s.segments.size());
    bool good = std::fflush(s.file) == 0 && ::fsync(::fileno(s.file)) == 0;
    const int reason = errno;
    good = std::fclose(s.file) == 0 && good;
    s.file = nullptr;
    if (!good) {
        errno = reason;
        Error error = failed(part);
        ::unlink(part.c_str());
        return error;
    }
    if (::rename(part.c_str(), path.c_str()) != 0) return failed(path);
    TRY(sync_folder(s.folder));
    s.current.frames = frames;
    s.current.last_duration = last_duration;
    s.segments.push_back(s.current);
    if (auto saved = s.save(); !saved) {
        s.segments.pop_back();
        return saved;
    }
    return {};
}

Result<void> Journal::finish() {
    state_->complete = true;
    return state_->save();
}

Result<void> Journal::remove() {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(state_->folder, ignored)) {
        const std::string name = entry.path().filename().string();
        if (name == "lock" || name.rfind("journal", 0) == 0 || name.rfind("segment-", 0) == 0 || name.rfind("output", 0) == 0)
            fs::remove(entry.path(), ignored);
    }
    if (::rmdir(state_->folder.c_str()) != 0) return failed(state_->folder);
    return {};
}

namespace {

class SegmentPackets final : public Journal::Packets {
public:
    SegmentPackets(std::vector<std::string> paths, std::vector<Segment> segments) : paths_(std::move(paths)), segments_(std::move(segments)) {}
    ~SegmentPackets() override {
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
            const auto rank = static_cast<std::size_t>(std::lower_bound(sorted_.begin(), sorted_.end(), times[i]) - sorted_.begin());
            if (i > rank) reorder_ = std::max(reorder_, i - rank);
        }
        if (reorder_ > 0 && !sorted_.empty()) {
            const std::size_t reach = std::min(reorder_, sorted_.size() - 1);
            step_ = std::max<std::int64_t>(1, (sorted_[reach] - sorted_[0]) / static_cast<std::int64_t>(std::max<std::size_t>(1, reach)));
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
        p.dts = count_ >= reorder_ ? sorted_[count_ - reorder_] : sorted_[0] - static_cast<std::int64_t>(reorder_ - count_) * step_;
        ++count_;
        p.duration = at + 1 != sorted_.end() ? *(at + 1) - *at : std::max<std::int64_t>(0, segments_.back().last_duration);
        p.flags = header_.flags;
        return Packet{std::shared_ptr<AVPacket>(packet_.release(), FreeAv{})};
    }

private:
    Result<void> get(void* data, std::size_t size) {
        if (size && std::fread(data, 1, size, file_) != size)
            return Error{Errc::io, paths_[segment_] + ": shorter than the journal says"};
        return {};
    }
    Result<void> open(std::size_t index) {
        if (file_) std::fclose(file_);
        file_ = nullptr;
        left_ = 0;
        if (index >= paths_.size()) return {};
        file_ = std::fopen(paths_[index].c_str(), "rbe");
        if (!file_) return failed(paths_[index]);
        char magic[sizeof kMagic];
        TRY(get(magic, sizeof magic));
        std::uint32_t size = 0;
        TRY(get(&size, sizeof size));
        if (std::memcmp(magic, kMagic, sizeof magic) != 0 || size > (64u << 20)) return Error{Errc::format, paths_[index] + ": not a segment"};
        std::string bytes(size, '\0');
        TRY(get(bytes.data(), size));
        TRY(VideoTrack track, restore_track(bytes));
        if (index == 0) track_ = std::move(track);
        else if (track.extradata != track_.extradata || track.time_base != track_.time_base)
            return Error{Errc::internal, paths_[index] + ": the encoder's headers differ from the first segment's"};
        left_ = segments_[index].packets;
        return {};
    }
    // The next packet's header into header_, its data into packet_ or passed over. False at the end of all.
    Result<bool> read(bool data) {
        while (left_ == 0) {
            if (file_) ++segment_;
            if (segment_ >= paths_.size()) return false;
            TRY(open(segment_));
        }
        --left_;
        TRY(get(&header_, sizeof header_));
        if (data) packet_ = new_packet();
        for (int i = 0; i < header_.side_data; ++i) {
            std::int32_t words[2];
            TRY(get(words, sizeof words));
            if (words[1] < 0) return Error{Errc::format, paths_[segment_] + ": damaged"};
            if (data) {
                std::uint8_t* side = av_packet_new_side_data(packet_.get(), static_cast<AVPacketSideDataType>(words[0]), static_cast<std::size_t>(words[1]));
                if (!side) throw std::bad_alloc();
                TRY(get(side, static_cast<std::size_t>(words[1])));
            } else if (std::fseek(file_, words[1], SEEK_CUR) != 0) {
                return failed(paths_[segment_]);
            }
        }
        if (header_.size < 0) return Error{Errc::format, paths_[segment_] + ": damaged"};
        if (data) {
            AVBufferRef* buffer = av_buffer_alloc(static_cast<std::size_t>(header_.size) + AV_INPUT_BUFFER_PADDING_SIZE);
            if (!buffer) throw std::bad_alloc();
            packet_->buf = buffer;
            packet_->data = buffer->data;
            packet_->size = header_.size;
            std::memset(buffer->data + header_.size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
            TRY(get(packet_->data, static_cast<std::size_t>(header_.size)));
        } else if (std::fseek(file_, header_.size, SEEK_CUR) != 0) {
            return failed(paths_[segment_]);
        }
        return true;
    }

    std::vector<std::string> paths_;
    std::vector<Segment> segments_;
    VideoTrack track_;
    std::FILE* file_ = nullptr;
    std::size_t segment_ = 0, count_ = 0, reorder_ = 0;
    std::int64_t left_ = 0, step_ = 1;
    PacketHeader header_{};
    Av<AVPacket> packet_;
    std::vector<std::int64_t> sorted_;
};

}  // namespace

Result<std::unique_ptr<Journal::Packets>> Journal::packets() const {
    ENSURE(!state_->segments.empty() && !state_->file);
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < state_->segments.size(); ++i) paths.push_back(state_->segment_path(i));
    auto packets = std::make_unique<SegmentPackets>(std::move(paths), state_->segments);
    TRY(packets->prepare());
    return std::unique_ptr<Packets>(std::move(packets));
}

Result<Facts> file_facts(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return failed(path);
    Facts facts{{"the input's size", std::to_string(info.st_size) + " bytes"}};
    constexpr std::int64_t kWhole = 64 << 20, kBlock = 1 << 20, kSamples = 32;
    std::ifstream in(path, std::ios::binary);
    if (!in) return failed(path);
    std::vector<char> block(kBlock);
    std::uint32_t sum = 0;
    const bool whole = info.st_size <= kWhole;
    const std::int64_t count = whole ? (info.st_size + kBlock - 1) / kBlock : kSamples;
    for (std::int64_t i = 0; i < count; ++i) {
        in.seekg(whole ? i * kBlock : (info.st_size - kBlock) / (kSamples - 1) * i);
        in.read(block.data(), kBlock);
        sum = crc(sum, block.data(), static_cast<std::size_t>(in.gcount()));
        in.clear();
    }
    char text[16];
    std::snprintf(text, sizeof text, "%08x", sum);
    facts.emplace_back("the input's contents (checksum)", text);
    if (!whole) facts.emplace_back("the input's date", std::to_string(info.st_mtime));
    return facts;
}

std::string library_versions() {
    std::string out;
    for (const auto& [name, version] : {std::pair{"avcodec", avcodec_version()}, std::pair{"avformat", avformat_version()}, std::pair{"avfilter", avfilter_version()}})
        out += (out.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(version >> 16) + "." + std::to_string((version >> 8) & 255) + "." + std::to_string(version & 255);
    return out;
}

}  // namespace enlarge::media
