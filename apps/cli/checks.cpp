// SPDX-License-Identifier: Apache-2.0
#include "checks.hpp"

#include <charconv>
#include <string>
#include <utility>

#include "text.hpp"

namespace cli {

CLI::Validator number(double low, double high) {
    const auto check = [low, high](std::string& text) -> std::string {
        std::string_view rest;
        const auto value = leading_number(text, rest);
        if (value && rest.empty() && *value >= low && *value <= high) return {};
        return "expected a number from " + shortest(low) + " to " + shortest(high) + ", found '" + text + "'";
    };
    return {check, ""};
}

CLI::Validator not_empty(std::string instead) {
    const auto check = [instead = std::move(instead)](std::string& text) {
        return text.empty() ? "is empty; " + instead : std::string();
    };
    return {check, ""};
}

CLI::Validator whole(long long low, long long high) {
    const auto check = [low, high](std::string& text) -> std::string {
        long long value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) return {};
        return "expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", found '" + text + "'";
    };
    return {check, ""};
}

}  // namespace cli
