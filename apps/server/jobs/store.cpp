// SPDX-License-Identifier: Apache-2.0
#include "jobs/store.hpp"

#include <sqlite3.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;
using json = nlohmann::json;

constexpr std::array kStates{"queued", "running", "done", "failed", "cancelled"};

constexpr const char* kSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;"
    "CREATE TABLE IF NOT EXISTS jobs(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT "
    "NULL, body TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS uploads(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT "
    "NOT NULL,"
    " length INTEGER NOT NULL, touched REAL NOT NULL);"
    "PRAGMA user_version=1;";

// One statement; its parameters from 1 on.
class Statement {
public:
    Statement(sqlite3* database, const char* text) : database_(database) {
        if (sqlite3_prepare_v2(database, text, -1, &statement_, nullptr) != SQLITE_OK) statement_ = nullptr;
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& bind(std::int64_t value) { return sqlite3_bind_int64(statement_, ++at_, value), *this; }
    Statement& bind(double value) { return sqlite3_bind_double(statement_, ++at_, value), *this; }
    Statement& bind(const std::string& text) {
        sqlite3_bind_text(statement_, ++at_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
        return *this;
    }
    bool next() { return (code_ = sqlite3_step(statement_)) == SQLITE_ROW; }
    Result<void> run() {
        while (next()) {
        }
        return end();
    }
    [[nodiscard]] Result<void> end() const {
        if (code_ == SQLITE_DONE) return {};
        const bool full = code_ == SQLITE_FULL;
        return Error{Errc::io, std::string("the list of jobs cannot be ") +
                                   (full ? "written: no space left" : "used: ") +
                                   (full ? "" : sqlite3_errmsg(database_))};
    }
    [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
    [[nodiscard]] double real(int column) const { return sqlite3_column_double(statement_, column); }
    [[nodiscard]] std::string text(int column) const {
        const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
        return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)))
                     : std::string();
    }

private:
    sqlite3* database_;
    sqlite3_stmt* statement_ = nullptr;
    int at_ = 0, code_ = SQLITE_MISUSE;
};

std::string body_of(const Job& j) {
    const json body = {{"upload", j.upload},
                       {"name", j.name},
                       {"extension", j.extension},
                       {"moving", j.moving},
                       {"demuxer", j.demuxer},
                       {"bytes", j.bytes},
                       {"options", j.options},
                       {"created", j.created},
                       {"started", j.started},
                       {"ended", j.ended},
                       {"fraction", j.fraction},
                       {"width", j.width},
                       {"height", j.height},
                       {"frames", j.frames},
                       {"output_bytes", j.output_bytes},
                       {"checksum", j.checksum},
                       {"output_extension", j.output_extension},
                       {"model", j.model},
                       {"seconds", j.seconds},
                       {"code", j.code},
                       {"message", j.message},
                       {"remarks", j.remarks}};
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

template <class T>
void get(const json& body, const char* key, T& value) {
    if (const auto found = body.find(key); found != body.end()) found->get_to(value);
}

Job job_of(const Statement& row) {
    Job j;
    j.number = row.number(0);
    j.id = row.text(1);
    const std::string state = row.text(2);
    for (std::size_t i = 0; i < kStates.size(); ++i)
        if (state == kStates[i]) j.state = static_cast<JobState>(i);
    const json body = json::parse(row.text(3));
    get(body, "upload", j.upload), get(body, "name", j.name), get(body, "extension", j.extension),
        get(body, "moving", j.moving);
    get(body, "demuxer", j.demuxer), get(body, "bytes", j.bytes), get(body, "options", j.options),
        get(body, "created", j.created);
    get(body, "started", j.started), get(body, "ended", j.ended), get(body, "fraction", j.fraction),
        get(body, "width", j.width);
    get(body, "height", j.height), get(body, "frames", j.frames), get(body, "output_bytes", j.output_bytes),
        get(body, "checksum", j.checksum);
    get(body, "output_extension", j.output_extension), get(body, "model", j.model), get(body, "seconds", j.seconds);
    get(body, "code", j.code), get(body, "message", j.message), get(body, "remarks", j.remarks);
    return j;
}

}  // namespace

const char* state_name(JobState state) { return kStates[static_cast<std::size_t>(state)]; }

double now_seconds() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<std::unique_ptr<Store>> Store::open(const std::string& path) {
    sqlite3* database = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &database,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
    std::unique_ptr<Store> store(new Store(database));
    if (opened != SQLITE_OK || sqlite3_exec(database, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK)
        return Error{sqlite3_errcode(database) == SQLITE_NOTADB || sqlite3_errcode(database) == SQLITE_CORRUPT
                         ? Errc::format
                         : Errc::io,
                     path + ": not usable as the list of jobs: " + sqlite3_errmsg(database)};
    return store;
}

Store::~Store() { sqlite3_close_v2(database_); }

Result<std::int64_t> Store::add(const Job& job) {
    const std::lock_guard lock(mutex_);
    Statement insert(database_, "INSERT INTO jobs(id, state, body) VALUES(?, ?, ?)");
    if (auto done = insert.bind(job.id).bind(std::string(state_name(job.state))).bind(body_of(job)).run(); !done)
        return done.error();
    return sqlite3_last_insert_rowid(database_);
}

Result<void> Store::update(const Job& job) {
    const std::lock_guard lock(mutex_);
    return Statement(database_, "UPDATE jobs SET state = ?, body = ? WHERE number = ?")
        .bind(std::string(state_name(job.state)))
        .bind(body_of(job))
        .bind(job.number)
        .run();
}

Result<void> Store::remove_job(std::int64_t number) {
    const std::lock_guard lock(mutex_);
    return Statement(database_, "DELETE FROM jobs WHERE number = ?").bind(number).run();
}

Result<std::vector<Job>> Store::jobs() const {
    const std::lock_guard lock(mutex_);
    std::vector<Job> list;
    Statement rows(database_, "SELECT number, id, state, body FROM jobs ORDER BY number");
    try {
        while (rows.next()) list.push_back(job_of(rows));
    } catch (const json::exception& e) {
        return Error{Errc::format, std::string("the list of jobs is damaged: ") + e.what()};
    }
    if (auto done = rows.end(); !done) return done.error();
    return list;
}

Result<std::int64_t> Store::add(const Upload& upload) {
    const std::lock_guard lock(mutex_);
    Statement insert(database_, "INSERT INTO uploads(id, name, length, touched) VALUES(?, ?, ?, ?)");
    if (auto done = insert.bind(upload.id).bind(upload.name).bind(upload.length).bind(upload.touched).run(); !done)
        return done.error();
    return sqlite3_last_insert_rowid(database_);
}

Result<void> Store::remove_upload(std::int64_t number) {
    const std::lock_guard lock(mutex_);
    return Statement(database_, "DELETE FROM uploads WHERE number = ?").bind(number).run();
}

Result<std::vector<Upload>> Store::uploads() const {
    const std::lock_guard lock(mutex_);
    std::vector<Upload> list;
    Statement rows(database_, "SELECT number, id, name, length, touched FROM uploads ORDER BY number");
    while (rows.next()) list.push_back({rows.number(0), rows.text(1), rows.text(2), rows.number(3), rows.real(4)});
    if (auto done = rows.end(); !done) return done.error();
    return list;
}

}  // namespace serve
