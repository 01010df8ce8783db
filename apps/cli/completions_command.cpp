// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>

#include "CLI/CLI.hpp"
#include "help.hpp"

namespace cli {

Action define_completions(CLI::App& app) {
    auto shell = std::make_shared<std::string>();
    app.add_option("SHELL", *shell, "bash, zsh or fish; man prints the manual page instead")->required()->group("Arguments");
    return [shell] {
        if (*shell == "man") {
            std::fputs(man_page().c_str(), stdout);
            return static_cast<int>(kOk);
        }
        const auto script = completion_script(*shell);
        if (!script) return fail(script.error());
        std::fputs(script->c_str(), stdout);
        return static_cast<int>(kOk);
    };
}

}  // namespace cli
