// SPDX-License-Identifier: Apache-2.0
// toml++ behind the C interface of toml.h.  The only C++ of the house.
#include "config/toml.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <toml++/toml.h>

namespace {

struct toml_place place_of(const toml::source_position &position)
{
        return { static_cast<uint32_t>(position.line), static_cast<uint32_t>(position.column) };
}

void fail(struct toml_failure *failure, struct toml_place place, const char *message)
{
        failure->place = place;
        std::snprintf(failure->message, sizeof failure->message, "%s", message);
}

// Bytes of the UTF-8 character at the beginning of a text, 0 where there is none (RFC 3629).
size_t character_bytes(std::string_view text)
{
        auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
        auto tail = [&](size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };

        if (at(0) < 0x80)
                return 1;
        if (at(0) >= 0xC2 && at(0) <= 0xDF)
                return tail(1) ? 2 : 0;
        if ((at(0) & 0xF0) == 0xE0) {
                if (!tail(1) || !tail(2) || (at(0) == 0xE0 && at(1) < 0xA0) ||
                    (at(0) == 0xED && at(1) > 0x9F))
                        return 0;
                return 3;
        }
        if (at(0) >= 0xF0 && at(0) <= 0xF4) {
                if (!tail(1) || !tail(2) || !tail(3) || (at(0) == 0xF0 && at(1) < 0x90) ||
                    (at(0) == 0xF4 && at(1) > 0x8F))
                        return 0;
                return 4;
        }
        return 0;
}

// Walks the text once before the parser sees it, and stops at what must not reach it: bytes that
// are no UTF-8, and dotted keys with so many parts that freeing the tables they make would
// exhaust the stack.
class gate {
public:
        gate(std::string_view text, struct toml_failure *failure) : text_(text), failure_(failure)
        {
        }

        bool open()
        {
                while (at_ < text_.size()) {
                        if (!one())
                                return false;
                }
                return true;
        }

private:
        bool follows(char quote) const // two more of them
        {
                return at_ + 2 < text_.size() && text_[at_ + 1] == quote && text_[at_ + 2] == quote;
        }

        void skip(size_t bytes)
        {
                at_ += bytes;
                place_.column += static_cast<uint32_t>(bytes);
        }

        // Inside a string: on to its end, over escaped characters.
        void in_string(char c)
        {
                if (c == '\\' && quote_ == '"' && at_ + 1 < text_.size() &&
                    (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\')) {
                        skip(1);
                } else if (c == quote_ && !multiline_) {
                        quote_ = 0;
                } else if (c == quote_ && follows(c)) {
                        skip(2);
                        for (int i = 0; i < 2 && at_ + 1 < text_.size() && text_[at_ + 1] == c; i++)
                                skip(1);
                        quote_ = 0;
                }
        }

        void in_key(char c)
        {
                if (c == '"' || c == '\'') {
                        quote_ = c;
                        multiline_ = follows(c);
                        if (multiline_)
                                skip(2);
                } else if (c == '#') {
                        comment_ = true;
                } else if (c == '.') {
                        dots_++;
                } else if (c == '=' || c == ',' || c == '[' || c == '{') {
                        dots_ = 0;
                }
        }

        bool one()
        {
                char c = text_[at_];
                size_t bytes = character_bytes(text_.substr(at_));

                if (bytes == 0 || c == 0) {
                        fail(failure_, place_, c == 0 ? "a NUL byte" : "not valid UTF-8");
                        return false;
                }
                if (c == '\n') {
                        at_++;
                        place_ = { place_.line + 1, 1 };
                        comment_ = false;
                        if (!quote_ || !multiline_) {
                                quote_ = 0;
                                dots_ = 0;
                        }
                        return true;
                }
                if (quote_)
                        in_string(c);
                else if (!comment_)
                        in_key(c);
                if (dots_ > TOML_DEPTH_MAX) {
                        fail(failure_, place_, "a dotted key with too many parts");
                        return false;
                }
                at_ += bytes;
                place_.column++;
                return true;
        }

        std::string_view text_;
        struct toml_failure *failure_;
        size_t at_ = 0;
        struct toml_place place_ = { 1, 1 };
        size_t dots_ = 0;
        char quote_ = 0; // of the string that is open
        bool multiline_ = false;
        bool comment_ = false;
};

struct too_deep {
        struct toml_place place;
};

char *copy(std::string_view text)
{
        char *bytes = static_cast<char *>(std::malloc(text.size() + 1));

        if (!bytes)
                throw std::bad_alloc();
        std::memcpy(bytes, text.data(), text.size());
        bytes[text.size()] = 0;
        return bytes;
}

struct toml_node *reserve(struct toml_node *node, size_t count)
{
        if (count > 0 && !(node->children = static_cast<struct toml_node *>(
                                   std::calloc(count, sizeof *node->children))))
                throw std::bad_alloc();
        return node->children;
}

// Fills a zeroed node; what it allocated before throwing hangs on the tree and is freed there.
void convert(const toml::node &from, struct toml_node *to, unsigned depth)
{
        to->place = place_of(from.source().begin);
        if (depth > TOML_DEPTH_MAX)
                throw too_deep{ to->place };

        if (const toml::table *table = from.as_table()) {
                to->kind = TOML_KIND_TABLE;
                reserve(to, table->size());
                for (auto &&[key, value] : *table) {
                        struct toml_node *child = &to->children[to->count++];

                        child->key = copy(key.str());
                        child->key_place = place_of(key.source().begin);
                        convert(value, child, depth + 1);
                }
        } else if (const toml::array *array = from.as_array()) {
                to->kind = TOML_KIND_ARRAY;
                reserve(to, array->size());
                for (auto &&value : *array)
                        convert(value, &to->children[to->count++], depth + 1);
        } else if (const auto *string = from.as_string()) {
                to->kind = TOML_KIND_STRING;
                to->string = copy(string->get());
                to->string_bytes = string->get().size();
        } else if (const auto *integer = from.as_integer()) {
                to->kind = TOML_KIND_INTEGER;
                to->integer = integer->get();
        } else if (const auto *number = from.as_floating_point()) {
                to->kind = TOML_KIND_FLOAT;
                to->number = number->get();
        } else if (const auto *boolean = from.as_boolean()) {
                to->kind = TOML_KIND_BOOLEAN;
                to->boolean = boolean->get();
        } else {
                to->kind = TOML_KIND_TIME;
        }
}

void release(struct toml_node *node)
{
        for (size_t i = 0; i < node->count; i++)
                release(&node->children[i]);
        std::free(node->children);
        std::free(node->string);
        std::free(node->key);
}

} // namespace

struct toml_node *toml_free(struct toml_node *root)
{
        if (root)
                release(root);
        std::free(root);
        return nullptr;
}

int toml_read(const char *text, size_t len, struct toml_node **ret,
              struct toml_failure *ret_failure)
{
        struct toml_node *root = nullptr;
        int r = 0;

        if (len > TOML_INPUT_MAX) {
                fail(ret_failure, { 1, 1 }, "larger than 1 MiB");
                return -E2BIG;
        }
        try {
                if (!gate({ text, len }, ret_failure).open())
                        return -EBADMSG;

                const toml::table table = toml::parse(std::string_view(text, len));

                root = static_cast<struct toml_node *>(std::calloc(1, sizeof *root));
                if (!root)
                        return -ENOMEM;
                convert(table, root, 0);
        } catch (const toml::parse_error &error) {
                constexpr std::string_view opening = "Error ";
                std::string_view what = error.description();

                // what() ends in a NUL, and so does each of its ends.
                if (what.substr(0, opening.size()) == opening)
                        what.remove_prefix(opening.size());
                fail(ret_failure, place_of(error.source().begin), what.data());
                r = -EBADMSG;
        } catch (const too_deep &error) {
                fail(ret_failure, error.place, "tables or arrays nested too deeply");
                r = -EBADMSG;
        } catch (const std::bad_alloc &) {
                r = -ENOMEM;
        } catch (...) {
                fail(ret_failure, { 1, 1 }, "the parser gave up");
                r = -EBADMSG;
        }
        if (r < 0)
                toml_free(root);
        else
                *ret = root;
        return r;
}
