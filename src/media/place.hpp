// SPDX-License-Identifier: Apache-2.0
// Where files get their names: nothing that is there already is lost, no link is followed.
#pragma once

#include <string>

#include "base/result.hpp"

namespace enlarge::media {

// `path` with `suffix`, for a file beside it. Where the file system does not take so long a name, a shorter one that still
// belongs to `path` alone. A '%' in the name becomes '_'.
std::string beside(const std::string& path, const std::string& suffix);

// The longest name, in bytes, that the folder of `path` takes.
std::size_t longest_name(const std::string& path);

// What is at a name. Links count as what they are.
enum class Standing { nothing, file, link, folder, other };
// Fails when it cannot be found out: a name that is too long, a folder that may not be searched.
Result<Standing> standing(const std::string& path);

// Makes a file that was not there, for writing and reading, and returns its descriptor; Errc::exists when something is.
Result<int> create_new(const std::string& path);
// A new file "<path>.part", or "<path>.part2" ... when another run left its own. Its descriptor and name.
struct NewFile {
    int fd = -1;
    std::string path;
};
Result<NewFile> create_part(const std::string& path);
// The same for a folder; its name.
Result<std::string> create_part_folder(const std::string& path);

// Gives the finished file `from` its name `to`, in the same file system; both are on disk afterwards, but for the folder
// (sync_folder). Without `replace` fails with Errc::exists when something has that name, also when it appeared a moment
// ago; but a file with the very same bytes is what a run left that was stopped right after naming it, and is no failure.
Result<void> place(const std::string& from, const std::string& to, bool replace);
Result<void> sync_folder_of(const std::string& path);

// The ways to give a name that is free; each fails with Errc::exists when it is not, and with Errc::unsupported where the
// file system does not have this way. Apart, so that each can be tested.
enum class Naming {
    rename,  // renameat2(RENAME_NOREPLACE)
    link,    // link(), then unlink(): NFS
    claim,   // an empty file takes the name, and is replaced: FAT before Linux 4.9, SMB
};
Result<void> name_with(Naming way, const std::string& from, const std::string& to);

}  // namespace enlarge::media
