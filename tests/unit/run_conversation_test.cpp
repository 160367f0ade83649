// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "plugins/os/error.h"
#include "spank/run/conversation.h"

using holon::channel::Decoder;
using holon::channel::Frame;
using holon::channel::Scope;
using holon::channel::Stream;
using holon::channel::stream_window;
using holon::channel::Type;
using holon::run::Conversation;

namespace {

constexpr std::uint64_t id = 0x1234567890abcdef;

std::uint64_t number(const std::string& payload, std::size_t at, int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i)
        value |= std::uint64_t{static_cast<unsigned char>(payload[at + i])} << (8 * i);
    return value;
}

std::string little(std::uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
}

// Plays holond and the guest: keeps what is not acknowledged, and sends it again after an attach.
class Guest {
  public:
    explicit Guest(Conversation& conversation) : conversation_(conversation) {}

    // Takes everything the client has to say; returns the frames.
    std::vector<Frame> listen() {
        auto bytes = std::string(conversation_.outgoing());
        conversation_.consumed(bytes.size());
        decoder_.feed(std::span<const char>(bytes.data(), bytes.size()));
        std::vector<Frame> frames;
        while (auto frame = decoder_.next()) {
            EXPECT_EQ(frame->session, id);
            take(*frame);
            frames.push_back(std::move(*frame));
        }
        return frames;
    }
    void say(Type type, std::string payload = {}, Stream stream = Stream::in,
             std::uint64_t offset = 0) {
        Frame frame;
        frame.type = type;
        frame.stream = stream;
        frame.session = id;
        frame.offset = offset;
        frame.payload = std::move(payload);
        conversation_.feed(holon::channel::encode(frame));
    }
    // The connection breaks and is made again.
    void reconnect() {
        conversation_.disconnected();
        decoder_ = Decoder(Decoder::Mode::strict);
        conversation_.connected();
    }
    // Sends up to SIZE bytes of output that the window allows, from where it is.
    void send_output(std::size_t size) {
        while (size > 0 && sent_ < text_.size() && sent_ - acknowledged_ < stream_window) {
            std::size_t n =
                std::min({size, text_.size() - sent_, std::size_t{60000},
                          static_cast<std::size_t>(stream_window - (sent_ - acknowledged_))});
            say(Type::data, text_.substr(sent_, n), Stream::out, sent_);
            sent_ += n;
            size -= n;
        }
    }

    std::string text_;  // what the program prints
    std::uint64_t sent_ = 0, acknowledged_ = 0;
    std::string input_;  // what the program read
    std::uint64_t input_acknowledged_ = 0;
    bool input_ended_ = false;
    int opens_ = 0, attaches_ = 0, closes_ = 0;
    std::vector<std::pair<int, int>> signals_;

  private:
    void take(const Frame& frame) {
        if (frame.type == Type::open) ++opens_;
        if (frame.type == Type::close) ++closes_;
        if (frame.type == Type::ack && frame.stream == Stream::out)
            acknowledged_ = std::max(acknowledged_, frame.offset);
        if (frame.type == Type::attach) {
            ++attaches_;
            sent_ = number(frame.payload, 0, 8);
            EXPECT_GE(sent_, acknowledged_);
            say(Type::attached, little(input_.size(), 8));
        }
        if (frame.type == Type::signal)
            signals_.emplace_back(static_cast<int>(number(frame.payload, 0, 4)), frame.payload[4]);
        if (frame.type == Type::data) {
            EXPECT_EQ(frame.stream, Stream::in);
            EXPECT_LE(frame.offset + frame.payload.size() - input_acknowledged_, stream_window);
            ASSERT_LE(frame.offset, input_.size());
            std::size_t skip = input_.size() - frame.offset;
            if (skip < frame.payload.size()) input_ += frame.payload.substr(skip);
        }
        if (frame.type == Type::eof) {
            EXPECT_EQ(frame.offset, input_.size());
            input_ended_ = true;
        }
    }
    Conversation& conversation_;
    Decoder decoder_{Decoder::Mode::strict};
};

std::string bytes_of(std::size_t size) {
    std::string out;
    std::mt19937 random(7);
    while (out.size() < size) out += static_cast<char>(random());
    return out;
}

void write_some(Conversation& conversation, std::string& to, std::size_t most) {
    auto pending = conversation.pending(Stream::out).substr(0, most);
    to += pending;
    conversation.written(Stream::out, pending.size());
}

}  // namespace

TEST(Conversation, AProgramThatGoesOnGetsTheRestOfItsInput) {
    Conversation conversation(id, "", true);
    conversation.go_on_from(0, 0);
    Guest guest(conversation);
    guest.input_ = "it had this";
    conversation.connected();
    EXPECT_EQ(conversation.input_room(), 0u);  // before it is known what the VM has
    guest.listen();
    EXPECT_EQ(conversation.take_input_start(), std::uint64_t{11});
    EXPECT_FALSE(conversation.take_input_start());
    conversation.input(", and the rest");
    conversation.input_end();
    guest.listen();
    EXPECT_EQ(guest.input_, "it had this, and the rest");
    EXPECT_TRUE(guest.input_ended_);
    guest.reconnect();
    guest.listen();
    EXPECT_FALSE(conversation.take_input_start());
    EXPECT_EQ(guest.input_, "it had this, and the rest");
}

TEST(Conversation, AProgramThatGoesOnWithoutInputHearsThatThereIsNoMore) {
    Conversation conversation(id, "", true);
    conversation.go_on_from(0, 0);
    conversation.input_end();
    Guest guest(conversation);
    guest.input_ = "it had this";
    conversation.connected();
    guest.listen();
    guest.listen();
    EXPECT_TRUE(guest.input_ended_);
}

TEST(RunConversation, OpensWithItsRequestAndNoAttach) {
    Conversation conversation(id, R"({"argv":["true"]})", true);
    Guest guest(conversation);
    conversation.connected();
    auto frames = guest.listen();
    ASSERT_FALSE(frames.empty());
    EXPECT_EQ(frames[0].type, Type::open);
    EXPECT_EQ(frames[0].payload, R"({"argv":["true"]})");
    EXPECT_EQ(guest.attaches_, 0);
}

TEST(RunConversation, OutputIsHandedOutOnceWhateverBreaks) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    guest.text_ = bytes_of(3'000'000);
    conversation.connected();
    guest.listen();
    guest.say(Type::opened, "{}");
    std::string written;
    std::mt19937 random(42);
    while (written.size() < guest.text_.size()) {
        guest.send_output(random() % 200'000);
        write_some(conversation, written, random() % 150'000);
        if (random() % 4 == 0) guest.reconnect();  // acknowledgements on their way are lost
        guest.listen();
    }
    EXPECT_EQ(written, guest.text_);
    EXPECT_GT(guest.attaches_, 5);
    EXPECT_EQ(guest.opens_, 1);
}

TEST(RunConversation, NothingIsAcknowledgedBeforeItWasWritten) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    guest.text_ = bytes_of(100'000);
    conversation.connected();
    guest.listen();
    guest.send_output(100'000);
    for (const auto& frame : guest.listen()) EXPECT_NE(frame.type, Type::ack);
    std::string written;
    write_some(conversation, written, 70'000);
    guest.listen();
    EXPECT_EQ(guest.acknowledged_, 70'000u);
    write_some(conversation, written, 30'000);
    guest.listen();
    EXPECT_EQ(guest.acknowledged_, 100'000u);
}

TEST(RunConversation, AGuestThatSendsBeyondTheWindowIsRefused) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    EXPECT_THROW(for (std::uint64_t at = 0; at <= stream_window; at += 65536)
                     guest.say(Type::data, std::string(65536, 'x'), Stream::out, at),
                 holon::Error);
}

TEST(RunConversation, AGapInTheOutputIsRefused) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.say(Type::data, "abc", Stream::out, 0);
    EXPECT_THROW(guest.say(Type::data, "def", Stream::out, 4), holon::Error);
}

TEST(RunConversation, FramesOfAnotherSessionAreRefused) {
    Conversation conversation(id, "{}", false);
    conversation.connected();
    Frame frame;
    frame.type = Type::data;
    frame.stream = Stream::out;
    frame.session = id + 1;
    frame.payload = "x";
    EXPECT_THROW(conversation.feed(holon::channel::encode(frame)), holon::Error);
}

TEST(RunConversation, InputReachesTheGuestOnceWhateverBreaks) {
    Conversation conversation(id, "{}", true);
    Guest guest(conversation);
    conversation.connected();
    guest.listen();
    guest.say(Type::opened, "{}");
    std::string text = bytes_of(2'000'000);
    std::size_t read = 0;
    std::mt19937 random(3);
    while (guest.input_.size() < text.size()) {
        std::size_t n = std::min({conversation.input_room(), text.size() - read,
                                  static_cast<std::size_t>(random() % 100'000)});
        conversation.input(std::string_view(text).substr(read, n));
        read += n;
        if (random() % 3 == 0) guest.reconnect();
        guest.listen();
        if (random() % 2 == 0) {
            guest.input_acknowledged_ = guest.input_.size();
            guest.say(Type::ack, {}, Stream::in, guest.input_acknowledged_);
        }
    }
    conversation.input_end();
    guest.listen();
    EXPECT_EQ(guest.input_, text);
    EXPECT_TRUE(guest.input_ended_);
}

TEST(RunConversation, InputStopsAtTheWindow) {
    Conversation conversation(id, "{}", true);
    Guest guest(conversation);
    conversation.connected();
    conversation.input(std::string(conversation.input_room(), 'x'));
    EXPECT_EQ(conversation.input_room(), 0u);
    guest.listen();
    guest.say(Type::ack, {}, Stream::in, 1000);
    EXPECT_EQ(conversation.input_room(), 1000u);
}

TEST(RunConversation, TheEndOfInputIsSaidAgainAfterAReconnect) {
    Conversation conversation(id, "{}", true);
    Guest guest(conversation);
    conversation.connected();
    conversation.input("abc");
    conversation.input_end();
    guest.reconnect();
    guest.listen();
    guest.listen();  // the answer to `attached`
    EXPECT_EQ(guest.input_, "abc");
    EXPECT_TRUE(guest.input_ended_);
}

TEST(RunConversation, TheExitStatusWaitsForTheOutput) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.say(Type::data, "abc", Stream::out, 0);
    guest.say(Type::eof, {}, Stream::out, 3);
    guest.say(Type::eof, {}, Stream::err, 0);
    guest.say(Type::exit, little(3 << 8, 4));
    ASSERT_TRUE(conversation.exited());
    EXPECT_EQ(conversation.exited()->status, 3 << 8);
    EXPECT_FALSE(conversation.output_done());
    std::string written;
    write_some(conversation, written, 100);
    EXPECT_TRUE(conversation.output_done());
    conversation.close();
    guest.listen();
    EXPECT_EQ(guest.closes_, 1);
}

TEST(RunConversation, AnOpenThatMayNotHaveArrivedIsRepeated) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.reconnect();
    guest.listen();
    EXPECT_EQ(guest.opens_, 1);  // the first went with its connection
    EXPECT_EQ(guest.attaches_, 1);
}

TEST(RunConversation, AVmThatForgotTheSessionDoesNotRunTheProgramTwice) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.listen();
    guest.say(Type::opened, "{}");
    guest.reconnect();
    guest.listen();
    EXPECT_EQ(guest.opens_, 1);
    guest.say(Type::no_session);
    ASSERT_TRUE(conversation.lost());
}

TEST(RunConversation, AMarkIsAnsweredOnceWithWhatWasWritten) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.text_ = std::string(5000, 'x');
    guest.send_output(5000);
    conversation.written(Stream::out, 3000);
    EXPECT_FALSE(conversation.mark());
    guest.say(Type::mark, {}, Stream::in, 77);
    ASSERT_TRUE(conversation.mark());
    EXPECT_EQ(conversation.written(Stream::out), 3000u);
    EXPECT_EQ(conversation.written(Stream::err), 0u);
    guest.listen();
    conversation.marked("[]");
    const auto frames = guest.listen();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].type, Type::marked);
    EXPECT_EQ(frames[0].offset, 77u);
    EXPECT_EQ(frames[0].payload, "[]");
    EXPECT_FALSE(conversation.mark());
}

TEST(RunConversation, AWarningIsHeldBackUntilHolondKnowsWhatItMeans) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.listen();
    conversation.warned(10, Scope::main, true);
    auto frames = guest.listen();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].type, Type::warned);
    EXPECT_EQ(frames[0].offset, 10u);
    EXPECT_EQ(frames[0].flags, holon::channel::flag_held);
    guest.say(Type::pass_on, {}, Stream::in, 10);
    frames = guest.listen();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].type, Type::signal);
}

TEST(RunConversation, AWarningThatNobodyAnsweredIsToldAgainOnTheNextConnection) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    conversation.warned(10, Scope::main, true);
    guest.reconnect();
    const auto frames = guest.listen();
    EXPECT_EQ(std::count_if(frames.begin(), frames.end(),
                            [](const auto& frame) { return frame.type == Type::warned; }),
              1);
}

TEST(RunConversation, AWarningThatIsTheUsersOwnIsPassedOnAtOnce) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.listen();
    conversation.warned(15, Scope::all, false);
    const auto frames = guest.listen();
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].type, Type::signal);
    EXPECT_EQ(frames[1].type, Type::warned);
    guest.say(Type::pass_on, {}, Stream::in, 15);
    EXPECT_THAT(guest.listen(), testing::IsEmpty());
}

TEST(RunConversation, AMarkOfALostConnectionIsForgotten) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.say(Type::mark, {}, Stream::in, 77);
    guest.reconnect();
    EXPECT_FALSE(conversation.mark());
}

TEST(RunConversation, ALostVmHasAReason) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    guest.say(Type::failed, R"({"error":"vm1 on n2: QEMU was killed\n\u001b[2J"})");
    ASSERT_TRUE(conversation.lost());
    EXPECT_THAT(conversation.lost()->reason, testing::StartsWith("vm1 on n2: QEMU was killed"));
    for (char c : conversation.lost()->reason) EXPECT_GE(static_cast<unsigned char>(c), 0x20u);
}

TEST(RunConversation, AProgramThatCouldNotStartHasAShellsStatus) {
    for (int status : {126, 127, 0, 5}) {
        Conversation conversation(id, "{}", false);
        Guest guest(conversation);
        conversation.connected();
        guest.say(Type::error,
                  R"({"error":"nope: not found","status":)" + std::to_string(status) + "}");
        ASSERT_TRUE(conversation.not_started());
        EXPECT_EQ(conversation.not_started()->error, "nope: not found");
        EXPECT_EQ(conversation.not_started()->status, status == 126 ? 126 : 127);
    }
}

TEST(RunConversation, SignalsWithoutAConnectionWaitForOne) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.signal(10, Scope::main);
    conversation.connected();
    conversation.signal(15, Scope::all);
    auto frames = guest.listen();
    EXPECT_EQ(frames.front().type, Type::open);
    EXPECT_THAT(guest.signals_, testing::ElementsAre(std::pair(10, 0), std::pair(15, 1)));
}

TEST(RunConversation, NoticesAreBoundedLines) {
    Conversation conversation(id, "{}", false);
    Guest guest(conversation);
    conversation.connected();
    for (int i = 0; i < 1000; ++i) guest.say(Type::notice, std::string(5000, 'x') + "\n\x07");
    EXPECT_LE(conversation.notices().size(), 64u);
    EXPECT_LE(conversation.notices().front().size(), 1000u);
}

TEST(RunConversation, GarbageIsRefused) {
    Conversation conversation(id, "{}", false);
    conversation.connected();
    EXPECT_THROW(conversation.feed(std::string(200, 'x')), std::exception);
}
