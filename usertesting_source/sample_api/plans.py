"""What the shop's researchers ask, and what participants answer to it. All invented."""

from __future__ import annotations

from .studies import Task, uid


def _id(*parts: str) -> str:
    return uid("shop", *parts)


_SHOP = "https://shop.example/"
_PROTOTYPE = "https://www.figma.com/proto/sample/help-centre"

CHECKOUT = (
    Task(
        _id("checkout", "payment"),
        "Think of the last order that you placed with us. How did you pay?",
        "MULTIPLE_CHOICE",
        options=("Card", "PayPal", "Bank transfer", "Invoice, after delivery", "Gift card"),
    ),
    Task(
        _id("checkout", "ease"),
        "How easy or difficult was it to complete the checkout?",
        "RATING_SCALE",
    ),
    Task(
        _id("checkout", "slowed"),
        "What, if anything, slowed you down during the checkout? Select all that apply.",
        "MULTIPLE_CHOICE",
        options=(
            "Creating an account",
            "Entering my address",
            "Finding the delivery cost",
            "An error when paying",
            "Nothing slowed me down",
        ),
        happy=("Nothing slowed me down",),
        multiple=True,
    ),
    Task(
        _id("checkout", "delivery"),
        "Rank these delivery options from the most to the least useful to you.",
        "RANK_ORDER",
        options=("To my door", "To a parcel locker", "To the shop, for pick-up", "On a day of my choice"),
    ),
    Task(
        _id("checkout", "parts"),
        "How satisfied were you with each part of the checkout?",
        "MATRIX",
        options=("Very dissatisfied", "Dissatisfied", "Satisfied", "Very satisfied"),
        rows=("Basket", "Address", "Delivery and its cost", "Payment"),
    ),
    Task(
        _id("checkout", "recommend"),
        "How likely are you to recommend our shop to a friend or colleague?",
        "NPS",
    ),
    Task(
        _id("checkout", "change"),
        "If you could change one thing about our checkout, what would it be?",
        "WRITTEN",
        praise=(
            "Nothing really, it took me less than two minutes.",
            "Maybe remember my address, but otherwise it is fine.",
            "I would like to pay with my phone, the rest is great.",
            "Show the gift card field a bit earlier.",
            "Keep it as it is, I like the short form.",
            "A smaller picture in the basket would do.",
        ),
        complaints=(
            "The delivery cost came up only at the very end, that was frustrating and I nearly gave up.",
            "It kept saying that my postcode is invalid although it is not. Really annoying.",
            "Do not make me create an account just to buy a lamp!",
            "The payment failed twice with no explanation and then my basket was empty.",
            "I was confused by the two buttons that both say continue.",
            "Too many steps. I could not see how many were left.",
        ),
    ),
)

RETURN_POLICY = (
    Task(
        _id("returns", "find"),
        "Start from the home page and find out how many days you have to return a lamp bought online.",
        "URL",
        url=_SHOP,
    ),
    Task(
        _id("returns", "find ease"),
        "How easy or difficult was it to find the return policy?",
        "RATING_SCALE",
    ),
    Task(
        _id("returns", "prototype"),
        "This is a draft of our new help centre. Start a return for the order with the lamp.",
        "FIGMA",
        url=_PROTOTYPE,
    ),
    Task(
        _id("returns", "prototype ease"),
        "How easy or difficult was it to start the return?",
        "RATING_SCALE",
    ),
    Task(
        _id("returns", "expected"),
        "Where did you look for the return policy first?",
        "MULTIPLE_CHOICE",
        options=(
            "At the bottom of the page",
            "In the help centre",
            "In my account",
            "With the search",
            "In the menu",
        ),
    ),
    Task(
        _id("returns", "trust"),
        "How much do you trust this shop to take a product back without trouble?",
        "RATING_SCALE",
        scale=7,
        labels=("Not at all", "Completely"),
    ),
    Task(
        _id("returns", "recommend"),
        "After what you have seen: how likely are you to recommend this shop to a friend?",
        "NPS",
    ),
    Task(
        _id("returns", "why"),
        "What is the main reason for your score?",
        "WRITTEN",
        praise=(
            "The policy is written in plain words and I found it at once.",
            "Thirty days and free of charge, that is generous.",
            "The help centre put the answer right at the top.",
            "I like that I can start the return without calling anybody.",
            "It was two clicks, no complaints.",
        ),
        complaints=(
            "I searched for returns and got a list of lamps. I still do not know the answer.",
            "The link is in tiny grey print at the bottom, I could not find it for ages.",
            "Very confusing: one page says 14 days and the other one 30.",
            "I gave up and would have called the hotline.",
            "The button to start the return did nothing, frustrating.",
        ),
    ),
)

PRODUCT_PAGE = (
    Task(
        _id("product", "welcome"),
        "You are looking for a reading lamp for your bedroom. Please think out loud during the whole test.",
        "BLANK",
        praise=(
            "Okay, a reading lamp, I actually need one.",
            "Sure, I will just say whatever comes to my mind.",
            "I would normally look for something small that does not blind my partner.",
        ),
        complaints=(
            "I am not sure that I understood what you want from me, but okay.",
            "So, a lamp. I have not had a great time buying lamps online.",
        ),
    ),
    Task(
        _id("product", "first"),
        "Look at this page for a moment without clicking. What is your first impression?",
        "WRITTEN",
        praise=(
            "My eye goes to the big picture first, the lamp looks lovely on that table.",
            "I see the price, the stars and the button, so everything that I need.",
            "It feels calm, like a magazine.",
            "Four and a half stars from eight hundred people, that makes me trust it.",
            "I notice that delivery is free, that is right next to the price.",
        ),
        complaints=(
            "There is so much going on, I do not know where to look.",
            "A pop-up about a newsletter, already? That is annoying.",
            "The picture is huge and I have to scroll to even see the price.",
            "I cannot tell whether this is one lamp or a set of two.",
            "It looks a bit cheap, honestly, with all the red labels.",
        ),
    ),
    Task(
        _id("product", "delivery"),
        "Find out when the lamp would arrive at your home and what the delivery costs.",
        "URL",
        url=f"{_SHOP}lamps/reading-lamp",
        praise=(
            "Here, below the button: Thursday, and it is free above forty dollars.",
            "I type in my postcode and it tells me the day, perfect.",
            "I expected it near the basket button, and there it is.",
            "Two to three days is fine for me.",
        ),
        complaints=(
            "I do not see any date. It only says in stock.",
            "Do I really have to put it into the basket to learn what the delivery costs?",
            "I open the details and it closes again when I scroll, this is so frustrating.",
            "It says calculated at checkout. I could not find any number.",
            "I am stuck here, I have no idea where that would be.",
        ),
    ),
    Task(
        _id("product", "ease"),
        "How easy or difficult was it to find the delivery time and cost?",
        "RATING_SCALE",
        praise=("I would say easy, because it was where I expected it.", "A five, I did not have to search."),
        complaints=(
            "Difficult. I looked in three places.",
            "One of the worst that I have seen, to be honest.",
        ),
    ),
    Task(
        _id("product", "photo"),
        "Look at this photograph of the lamp in a bedroom. What does it tell you?",
        "IMAGE",
        praise=(
            "I can see how big it is next to the books, that helps.",
            "The light looks warm, just what I would want at night.",
            "It would go with the furniture that I have.",
        ),
        complaints=(
            "I still cannot tell how big it is.",
            "The photograph looks like it was made by a computer.",
            "You do not see the cable and the switch, and that is what I would need to know.",
        ),
    ),
    Task(
        _id("product", "page a"),
        "Page A: how well does this page answer your questions about the lamp?",
        "RATING_SCALE",
        labels=("Not at all", "Completely"),
        praise=("Page A has the table with the sizes, so rather well.", "Most of my questions are answered."),
        complaints=(
            "Page A leaves out the bulb, so I would have to ask.",
            "Not really, it is just advertising.",
        ),
    ),
    Task(
        _id("product", "page b"),
        "Page B: how well does this page answer your questions about the lamp?",
        "RATING_SCALE",
        labels=("Not at all", "Completely"),
        praise=("Page B shows the reviews first, I like that.", "This one is shorter, but all is there."),
        complaints=("Page B is the same thing in another colour.", "I find this one even more confusing."),
    ),
    Task(
        _id("product", "prefer"),
        "Which of the two pages would you rather buy from, and why?",
        "WRITTEN",
        praise=(
            "The second one, because I can read what other people think.",
            "The first one. I like to compare the sizes before I buy.",
            "Both are good, I would take the one with fewer pictures.",
            "I would buy from page A, it feels more honest about the delivery.",
        ),
        complaints=(
            "Neither of them. I would go to another shop.",
            "I could not see much of a difference, and both hide the delivery cost.",
            "If I had to, page A, but I would not trust it with my card.",
        ),
    ),
    Task(
        _id("product", "recommend"),
        "How likely are you to recommend this shop to a friend or colleague?",
        "NPS",
        praise=("Quite likely, a nine maybe.", "I would tell my sister about it, she likes this style."),
        complaints=("Not likely after this.", "A four. It was more work than it should be."),
    ),
)
