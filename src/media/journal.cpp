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
#include <fstream>
#include <sstream>

#include "base/log.hpp"
#include "media/ffmpeg.hpp"
#include "media/own_folder.hpp"

extern "C" {
#include <libavutil/crc.h>
}

namespace enlarge::media {

namespace {

constexpr char kMagic[8] = {'E', 'N', 'L', 'S', 'E', 'G', '1', '\n'};
// First words of a journal, and the number of its kind: to be raised when facts or lines get another meaning.
constexpr const char* kTitle = "enlarge journal ";
constexpr int kVersion = 2;

// No time is farther, nothing is counted beyond: differences of times and sums over all segments cannot overflow.
constexpr std::int64_t kFarthest = std::int64_t{1} << 60;
constexpr std::int64_t kMostCounted = std::int64_t{1} << 42;
constexpr std::size_t kMostSegments = std::size_t{1} << 20;

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

bool digits(const std::string& text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos; }

// Names of files that enlarge makes in its folder for unfinished work; no other is ever touched.
bool is_ours(const std::string& name) {
    for (const char* known : {"lock", "journal", "journal.new", "journal.owner", "output.part"})
        if (name == known) return true;
    const auto numbered = [&](const std::string& start) {
        if (name.rfind(start, 0) != 0 || name.size() < start.size() + 6) return false;
        const std::size_t dot = name.find('.');
        if (!digits(name.substr(start.size(), dot == std::string::npos ? dot : dot - start.size()))) return false;
        return dot == std::string::npos || (start == "segment-" ? name.substr(dot) == ".part" : name.find('.', dot + 1) == std::string::npos);
    };
    return numbered("segment-") || numbered("output-");
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
    OwnFolder folder;
    Facts facts;
    std::vector<Segment> segments;
    bool complete = false;
    int lock = -1;
    // The open segment.
    std::FILE* file = nullptr;
    Segment current;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (file) std::fclose(file);
        if (lock >= 0) ::close(lock);
    }
    [[nodiscard]] static std::string segment_name(std::size_t index, const char* ending = "") {
        char name[64];
        std::snprintf(name, sizeof name, "segment-%06zu%s", index, ending);
        return name;
    }
    [[nodiscard]] std::string segment_path(std::size_t index, const char* ending = "") const {
        return folder.path() + "/" + segment_name(index, ending);
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
    Result<void> take_lock();
    void clean() const;
};

std::string Journal::State::text() const {
    std::ostringstream out;
    out << kTitle << kVersion << '\n';
    for (const auto& [name, value] : facts) out << "fact " << escape(name) << '\t' << escape(value) << '\n';
    for (const Segment& s : segments)
        out << "segment " << s.frames << ' ' << s.packets << ' ' << s.bytes << ' ' << s.last_duration << ' ' << s.sum << '\n';
    if (complete) out << "complete\n";
    std::string text = out.str();
    return text + "end " + std::to_string(crc(0, text.data(), text.size())) + "\n";
}

// A new file under another name, put on disk, then renamed: at any moment the old journal or the new one is there.
Result<void> Journal::State::save() const {
    const std::string body = text();
    TRY(std::FILE* const out, folder.stream("journal.new", "w"));
    bool good = std::fwrite(body.data(), 1, body.size(), out) == body.size() && std::fflush(out) == 0 && ::fsync(::fileno(out)) == 0;
    const int reason = errno;
    good = std::fclose(out) == 0 && good;
    if (!good) {
        errno = reason;
        return failed(folder.path() + "/journal.new");
    }
    TRY(folder.rename("journal.new", "journal"));
    return folder.sync();
}

// False when there is no journal.
Result<bool> Journal::State::load() {
    auto in = folder.stream("journal", "r");
    if (!in && in.error().code == Errc::not_found) return false;
    if (!in) return std::move(in).error();
    std::string all;
    char block[65536];
    for (std::size_t got = 0; (got = std::fread(block, 1, sizeof block, *in)) > 0;) all.append(block, got);
    std::fclose(*in);
    const std::string path = folder.path() + "/journal";
    const Error damaged{Errc::format, path + " is damaged; --restart begins anew"};
    const auto end = all.rfind("end ");
    if (all.rfind(kTitle, 0) != 0 || end == std::string::npos ||
        all.substr(end) != "end " + std::to_string(crc(0, all.data(), end)) + "\n")
        return damaged;
    const std::size_t title = std::strlen(kTitle);
    if (const std::string version = all.substr(title, all.find('\n') - title); version != std::to_string(kVersion)) {
        if (!digits(version)) return damaged;
        const bool earlier = version.size() == 1 && version[0] - '0' < kVersion;
        return Error{Errc::exists, "unfinished work of " + std::string(earlier ? "an earlier" : "a later") + " version of enlarge is there (" + path + " is of kind " +
                                       version + "; this version continues kind " + std::to_string(kVersion) +
                                       "): that version can finish it, or --restart throws it away and begins anew"};
    }
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
            for (const std::int64_t count : {s.frames, s.packets, s.bytes})
                if (count < 0 || count > kMostCounted) return damaged;
            if (segments.size() >= kMostSegments) return damaged;
            segments.push_back(s);
        } else if (line == "complete") {
            complete = true;
        }
    }
    return true;
}

bool Journal::State::whole(std::size_t index) const {
    auto in = folder.stream(segment_name(index), "r");
    if (!in) return false;
    std::vector<char> block(1 << 20);
    std::uint32_t sum = 0;
    std::int64_t bytes = 0;
    for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), *in)) > 0;) {
        sum = crc(sum, block.data(), got);
        bytes += static_cast<std::int64_t>(got);
    }
    std::fclose(*in);
    return bytes == segments[index].bytes && sum == segments[index].sum;
}

Result<void> Journal::State::take_lock() {
    TRY(const std::vector<std::string> names, folder.names());
    if (!names.empty() && std::none_of(names.begin(), names.end(), is_ours))
        return Error{Errc::exists, folder.path() + ": unfinished work is kept under this name, and a folder with other things has it (" + names.front() +
                                       "); give the output another name"};
    TRY(lock, folder.file("lock", O_RDWR | O_CREAT));
    struct stat info {};
    // Without a name: its owner finished between our opening and our locking it, and removed it.
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0 || ::fstat(lock, &info) != 0 || info.st_nlink == 0)
        return Error{Errc::exists, "another process is working on this output (" + folder.path() + " is locked)"};
    return {};
}

// Removes what a killed run left and the journal does not name.
void Journal::State::clean() const {
    const auto names = folder.names();
    if (!names) return;
    for (const std::string& name : *names) {
        bool listed = !is_ours(name) || name == "lock" || name == "journal";
        for (std::size_t i = 0; i < segments.size() && !listed; ++i) listed = name == segment_name(i);
        if (!listed) folder.unlink(name);
    }
}

Journal::~Journal() {
    if (!state_) return;
    if (state_->file) {
        std::fclose(std::exchange(state_->file, nullptr));
        state_->folder.unlink(State::segment_name(state_->segments.size(), ".part"));
    }
    // A folder in which nothing was finished says nothing.
    if (state_->segments.empty() && !state_->complete) {
        const auto removed = remove();
        (void)removed;
    }
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& folder, const Facts& facts, bool restart) {
    auto s = std::make_unique<State>();
    TRY(s->folder, OwnFolder::open(folder));
    TRY(s->take_lock());
    std::unique_ptr<Journal> journal(new Journal);
    bool found = false;
    if (!restart) {
        TRY(found, s->load());
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
        if (!differs.empty())
            return Error{Errc::exists, "unfinished work of an earlier run is there (" + folder + "), and it was different: " + differs +
                                           "; --restart throws it away and begins anew"};
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
    s->clean();
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
    TRY(s.file, s.folder.stream(State::segment_name(s.segments.size(), ".part"), "w"));
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
    const std::string part = State::segment_name(s.segments.size(), ".part");
    bool good = std::fflush(s.file) == 0 && ::fsync(::fileno(s.file)) == 0;
    const int reason = errno;
    good = std::fclose(s.file) == 0 && good;
    s.file = nullptr;
    if (!good) {
        errno = reason;
        Error error = failed(s.segment_path(s.segments.size()));
        s.folder.unlink(part);
        return error;
    }
    TRY(s.folder.rename(part, State::segment_name(s.segments.size())));
    TRY(s.folder.sync());
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
    const OwnFolder& folder = state_->folder;
    TRY(const std::vector<std::string> names, folder.names());
    for (const std::string& name : names)
        if (is_ours(name) && name != "lock") folder.unlink(name);
    folder.unlink("lock");  // last: a folder of ours has one
    if (::rmdir(folder.path().c_str()) != 0) return failed(folder.path());
    return {};
}

namespace {

class SegmentPackets final : public Journal::Packets {
public:
    SegmentPackets(const OwnFolder& folder, std::vector<std::string> names, std::vector<Segment> segments)
        : folder_(folder), names_(std::move(names)), segments_(std::move(segments)) {}
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
    [[nodiscard]] Error damaged() const { return {Errc::format, path(segment_) + ": damaged"}; }
    Result<void> get(void* data, std::size_t size) {
        if (size && std::fread(data, 1, size, file_) != size)
            return Error{Errc::io, path(segment_) + ": shorter than the journal says"};
        return {};
    }
    Result<void> open(std::size_t index) {
        if (file_) std::fclose(file_);
        file_ = nullptr;
        left_ = 0;
        if (index >= names_.size()) return {};
        TRY(file_, folder_.stream(names_[index], "r"));
        char magic[sizeof kMagic];
        TRY(get(magic, sizeof magic));
        std::uint32_t size = 0;
        TRY(get(&size, sizeof size));
        if (std::memcmp(magic, kMagic, sizeof magic) != 0 || size > (64u << 20)) return Error{Errc::format, path(index) + ": not a segment"};
        std::string bytes(size, '\0');
        TRY(get(bytes.data(), size));
        TRY(VideoTrack track, restore_track(bytes));
        if (index == 0) track_ = std::move(track);
        else if (track.extradata != track_.extradata || track.time_base != track_.time_base)
            return Error{Errc::internal, path(index) + ": the encoder's headers differ from the first segment's"};
        left_ = segments_[index].packets;
        return {};
    }
    // The next packet's header into header_, its data into packet_ or passed over. False at the end of all.
    Result<bool> read(bool data) {
        while (left_ == 0) {
            if (file_) ++segment_;
            if (segment_ >= names_.size()) return false;
            TRY(open(segment_));
        }
        --left_;
        TRY(get(&header_, sizeof header_));
        if (header_.pts < -kFarthest || header_.pts > kFarthest) return damaged();
        if (data) packet_ = new_packet();
        for (int i = 0; i < header_.side_data; ++i) {
            std::int32_t words[2];
            TRY(get(words, sizeof words));
            if (words[1] < 0 || words[1] > segments_[segment_].bytes) return damaged();
            if (data) {
                std::uint8_t* side = av_packet_new_side_data(packet_.get(), static_cast<AVPacketSideDataType>(words[0]), static_cast<std::size_t>(words[1]));
                if (!side) throw std::bad_alloc();
                TRY(get(side, static_cast<std::size_t>(words[1])));
            } else if (std::fseek(file_, words[1], SEEK_CUR) != 0) {
                return failed(path(segment_));
            }
        }
        // More than the file has would be allocated before its end is seen.
        if (header_.size < 0 || header_.size > segments_[segment_].bytes) return damaged();
        if (data) {
            AVBufferRef* buffer = av_buffer_alloc(static_cast<std::size_t>(header_.size) + AV_INPUT_BUFFER_PADDING_SIZE);
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

    [[nodiscard]] std::string path(std::size_t index) const { return folder_.path() + "/" + names_[index]; }

    const OwnFolder& folder_;  // the journal's
    std::vector<std::string> names_;
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
    std::vector<std::string> names;
    for (std::size_t i = 0; i < state_->segments.size(); ++i) names.push_back(State::segment_name(i));
    auto packets = std::make_unique<SegmentPackets>(state_->folder, std::move(names), state_->segments);
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
    if (!whole) facts.emplace_back("the input's date", std::to_string(info.st_mtim.tv_sec) + " s " + std::to_string(info.st_mtim.tv_nsec) + " ns");
    return facts;
}

std::string library_versions() {
    std::string out;
    for (const auto& [name, version] : {std::pair{"avcodec", avcodec_version()}, std::pair{"avformat", avformat_version()}, std::pair{"avfilter", avfilter_version()}})
        out += (out.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(version >> 16) + "." + std::to_string((version >> 8) & 255) + "." + std::to_string(version & 255);
    return out;
}

}  // namespace enlarge::media
