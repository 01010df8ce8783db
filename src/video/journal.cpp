// SPDX-License-Identifier: Apache-2.0
#include "video/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <sstream>
#include <utility>

#include "base/log.hpp"
#include "media/place.hpp"

namespace enlarge::video {

using media::OwnFolder;
using media::Segment;

namespace {

// First words of a journal, and the number of its kind: to be raised when facts or lines get another meaning.
constexpr const char* kTitle = "enlarge journal ";
constexpr int kVersion = 3;
constexpr std::size_t kMostSegments = std::size_t{1} << 20;

Error failed(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }

bool digits(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// Names of files that enlarge makes in its folder for unfinished work; no other is ever touched.
bool is_ours(const std::string& name) {
    for (const char* known : {"lock", "journal", "journal.new", "journal.owner", "output.part"})
        if (name == known) return true;
    const auto numbered = [&](const std::string& start) {
        if (name.rfind(start, 0) != 0 || name.size() < start.size() + 6) return false;
        const std::size_t dot = name.find('.');
        if (!digits(name.substr(start.size(), dot == std::string::npos ? dot : dot - start.size()))) return false;
        if (dot == std::string::npos) return true;
        return start == "segment-" ? name.substr(dot) == ".part" : name.find('.', dot + 1) == std::string::npos;
    };
    return numbered("segment-") || numbered("output-");
}

}  // namespace

// Segments never overlap: put() and load() see to it.
struct Journal::State {
    OwnFolder folder;
    JobPlan plan;
    std::map<std::int64_t, Segment> segments;  // by their first frame
    bool complete = false;
    bool read_only = false;
    int lock = -1;
    std::int64_t made_here = -1;  // the segment that this process wrote last: it need not be read again

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (lock >= 0) ::close(lock);
    }
    [[nodiscard]] std::string name_of(std::int64_t first) const {
        char name[64];
        std::snprintf(name, sizeof name, "segment-%06lld", static_cast<long long>(first / plan.segment_frames));
        return name;
    }
    [[nodiscard]] std::string path_of(std::int64_t first) const { return folder.path() + "/" + name_of(first); }
    [[nodiscard]] std::string text() const;
    [[nodiscard]] Result<void> save() const;
    Result<bool> load();
    Result<void> parse(const std::string& body);
    [[nodiscard]] Result<void> check_version(const std::string& text) const;
    [[nodiscard]] Result<void> fits(const Segment& segment) const;
    void drop_damaged();
    Result<void> take_lock();
    void clean() const;
    [[nodiscard]] Error damaged() const {
        return {Errc::format, folder.path() + "/journal is damaged; --restart begins anew"};
    }
};

std::string Journal::State::text() const {
    std::string out = kTitle + std::to_string(kVersion) + '\n' + lines_of(plan);
    for (const auto& [first, segment] : segments) out += "segment " + store(segment) + '\n';
    if (complete) out += "complete\n";
    return sealed(out);
}

// A new file under another name, put on disk, then renamed: at any moment the old journal or the new one is there.
Result<void> Journal::State::save() const {
    const std::string body = text();
    TRY(std::FILE* const out, folder.stream("journal.new", "w"));
    bool good = std::fwrite(body.data(), 1, body.size(), out) == body.size() && std::fflush(out) == 0 &&
                ::fsync(::fileno(out)) == 0;
    const int reason = errno;
    good = std::fclose(out) == 0 && good;
    if (!good) {
        errno = reason;
        return failed(folder.path() + "/journal.new");
    }
    TRY(folder.rename("journal.new", "journal"));
    return folder.sync();
}

Result<void> Journal::State::check_version(const std::string& text) const {
    const std::size_t title = std::strlen(kTitle);
    const std::string version = text.substr(title, text.find('\n') - title);
    if (version == std::to_string(kVersion)) return {};
    if (!digits(version)) return damaged();
    const bool earlier = version.size() == 1 && version[0] - '0' < kVersion;
    return Error{Errc::exists, "unfinished work of " + std::string(earlier ? "an earlier" : "a later") +
                                   " version of enlarge is there (" + folder.path() + "/journal is of kind " + version +
                                   "; this version continues kind " + std::to_string(kVersion) +
                                   "): that version can finish it, or --restart throws it away and begins anew"};
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
    const auto body = unsealed(all);
    if (all.rfind(kTitle, 0) != 0 || !body) return damaged();
    TRY(check_version(all));
    TRY(parse(*body));
    return true;
}

Result<void> Journal::State::parse(const std::string& body) {
    std::istringstream lines(body);
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        if (line == "complete") {
            complete = true;
        } else if (line.rfind("segment ", 0) == 0) {
            const auto segment = media::restore_segment(line.substr(8));
            if (!segment || segments.size() >= kMostSegments || !fits(*segment)) return damaged();
            segments.emplace(segment->first, *segment);
        } else {
            const auto known = read_line(line, plan);
            if (!known || !*known || plan.segment_frames < 1) return damaged();
        }
    }
    return {};
}

// Whether a segment may stand beside those that are there.
Result<void> Journal::State::fits(const Segment& segment) const {
    const std::string what = path_of(segment.first) + ": frames from " + std::to_string(segment.first) + " on";
    if (segment.frames < 1 || segment.first % plan.segment_frames != 0 || segment.frames > plan.segment_frames)
        return Error{Errc::format, what + ", " + std::to_string(segment.frames) + " of them, are no segment of " +
                                       std::to_string(plan.segment_frames)};
    const auto next = segments.lower_bound(segment.first);
    const bool over_next = next != segments.end() && next->first < segment.end();
    const bool over_last = next != segments.begin() && std::prev(next)->second.end() > segment.first;
    if (over_next || over_last) return Error{Errc::format, what + " are in another segment already"};
    return {};
}

Result<void> Journal::State::take_lock() {
    TRY(const std::vector<std::string> names, folder.names());
    if (!names.empty() && std::none_of(names.begin(), names.end(), is_ours))
        return Error{Errc::exists, folder.path() + ": unfinished work is kept under this name, and a folder with " +
                                       "other things has it (" + names.front() + "); give the output another name"};
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
        for (auto it = segments.begin(); it != segments.end() && !listed; ++it) listed = name == name_of(it->first);
        if (!listed) folder.unlink(name);
    }
}

// What the journal names was on disk before it was named; this finds a failing disk.
void Journal::State::drop_damaged() {
    for (auto it = segments.begin(); it != segments.end();) {
        if (media::holds(folder, name_of(it->first), it->second)) {
            ++it;
            continue;
        }
        log(LogLevel::warning, {"segment-damaged", path_of(it->first) + " is damaged; its frames are made again"});
        it = segments.erase(it);
        complete = false;
    }
}

Journal::~Journal() {
    // A folder in which nothing was finished says nothing.
    if (state_ && !state_->read_only && state_->segments.empty() && !state_->complete) {
        const auto removed = remove();
        (void)removed;
    }
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& folder, const JobPlan& plan, bool restart) {
    TRY(check(plan));
    auto s = std::make_unique<State>();
    TRY(s->folder, OwnFolder::open(folder));
    TRY(s->take_lock());
    std::unique_ptr<Journal> journal(new Journal);
    bool found = false;
    if (!restart) {
        TRY(found, s->load());
    }
    if (found) {
        const std::string differs = media::differences(s->plan.fingerprint, plan.fingerprint);
        if (!differs.empty())
            return Error{Errc::exists, "unfinished work of an earlier run is there (" + folder + "), and it was " +
                                           "different: " + differs + "; --restart throws it away and begins anew"};
        if (s->plan.segment_frames != plan.segment_frames) return s->damaged();  // a fact says the same
        s->drop_damaged();
    }
    s->plan = plan;
    s->clean();
    auto saved = s->save();
    journal->state_ = std::move(s);
    TRY(std::move(saved));
    return journal;
}

Result<std::unique_ptr<Journal>> Journal::look(const std::string& folder) {
    TRY(const media::Standing there, media::standing(folder));
    const Error none{Errc::not_found, folder + ": there is no unfinished work"};
    if (there != media::Standing::folder) return none;
    auto s = std::make_unique<State>();
    s->read_only = true;
    TRY(s->folder, OwnFolder::open(folder));
    TRY(const bool found, s->load());
    if (!found) return none;
    std::unique_ptr<Journal> journal(new Journal);
    journal->state_ = std::move(s);
    return journal;
}

const JobPlan& Journal::plan() const { return state_->plan; }
const OwnFolder& Journal::folder() const { return state_->folder; }

std::vector<media::NamedSegment> Journal::list() const {
    std::vector<media::NamedSegment> all;
    for (const auto& [first, segment] : state_->segments) all.push_back({state_->name_of(first), segment});
    return all;
}

std::int64_t Journal::frames() const {
    std::int64_t sum = 0;
    for (const auto& [first, segment] : state_->segments) sum += segment.frames;
    return sum;
}
std::int64_t Journal::segments() const { return static_cast<std::int64_t>(state_->segments.size()); }
bool Journal::complete() const { return state_->complete; }
std::int64_t Journal::bytes() const {
    std::int64_t sum = 0;
    for (const auto& [first, segment] : state_->segments) sum += segment.bytes;
    return sum;
}

std::vector<FrameRange> Journal::held() const {
    std::vector<FrameRange> ranges;
    for (const auto& [first, segment] : state_->segments) {
        if (!ranges.empty() && ranges.back().end() == first) ranges.back().count += segment.frames;
        else ranges.push_back({first, segment.frames});
    }
    return ranges;
}

std::string Journal::file_name(std::int64_t first) const { return state_->name_of(first); }

Result<std::unique_ptr<media::SegmentWriter>> Journal::begin(std::int64_t first, const media::VideoTrack& track) {
    ENSURE(first % state_->plan.segment_frames == 0);
    state_->made_here = first;
    return media::SegmentWriter::create(state_->folder, state_->name_of(first), first, track);
}

Result<void> Journal::put(const Segment& segment) {
    State& s = *state_;
    const auto there = s.segments.find(segment.first);
    if (there != s.segments.end() && there->second == segment) return {};
    TRY(s.fits(segment));
    if (segment.first != s.made_here && !media::holds(s.folder, s.name_of(segment.first), segment))
        return Error{Errc::format, s.path_of(segment.first) + ": not the file that was announced (" +
                                       std::to_string(segment.bytes) + " bytes with checksum " +
                                       std::to_string(segment.sum) + ")"};
    s.segments.emplace(segment.first, segment);
    if (auto saved = s.save(); !saved) {
        s.segments.erase(segment.first);
        return saved;
    }
    return {};
}

Result<void> Journal::finish() {
    const auto ranges = held();
    if (ranges.size() != 1 || ranges[0].first != 0) {
        const std::int64_t missing = ranges.empty() || ranges[0].first > 0 ? 0 : ranges[0].end();
        return Error{Errc::format, state_->folder.path() + ": frame " + std::to_string(missing) + " is in no segment"};
    }
    state_->complete = true;
    return state_->save();
}

Result<std::unique_ptr<media::SegmentPackets>> Journal::packets() const {
    return media::read_segments(state_->folder, list());
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

}  // namespace enlarge::video
