// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/rpc/rpc.h"

#include <gtest/gtest.h>

#include "plugins/os/error.h"

namespace holon::rpc {
namespace {

TEST(Rpc, ParsesMessagesAsTheyAreSent) {
    auto json = parse(R"({"op":"prolog","spec":{"image":"tiny","list":[1,2]}})");
    ASSERT_TRUE(json.is_object());
    EXPECT_EQ(json["spec"]["list"][1], 2);
}

TEST(Rpc, DiscardsWhatIsNoJson) {
    EXPECT_TRUE(parse("{\"op\":").is_discarded());
    EXPECT_TRUE(parse("").is_discarded());
}

TEST(Rpc, DiscardsAMegabyteOfBracketsWithoutRecursingIntoThem) {
    constexpr size_t half = 1u << 19;
    EXPECT_TRUE(
        parse("{\"a\":" + std::string(half, '[') + std::string(half, ']') + "}").is_discarded());
    std::string objects;
    for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
    objects += "1" + std::string(100000, '}');
    EXPECT_TRUE(parse(objects).is_discarded());
}

TEST(Rpc, FramesAndUnframesAcrossPieces) {
    std::string whole = frame("{}") + frame("[1]"), buffer, message;
    buffer = whole.substr(0, 5);
    EXPECT_FALSE(unframe(buffer, message));
    buffer += whole.substr(5);
    ASSERT_TRUE(unframe(buffer, message));
    EXPECT_EQ(message, "{}");
    ASSERT_TRUE(unframe(buffer, message));
    EXPECT_EQ(message, "[1]");
    EXPECT_FALSE(unframe(buffer, message));
}

TEST(Rpc, RefusesALengthThatNoMessageHas) {
    std::string buffer = "\xff\xff\xff\xff", message;
    EXPECT_THROW(unframe(buffer, message), Error);
}

}  // namespace
}  // namespace holon::rpc
