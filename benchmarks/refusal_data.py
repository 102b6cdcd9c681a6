"""Data and unrelated questions of `refusals.py`; nothing in the sandbox's model was fitted to
them.
"""

# ruff: noqa: SIM905
from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from learning import Pair, tea_house

SHOP = {
    "We open at nine in the morning and close at six in the evening.": (
        "when do you open|what are your opening hours|are you open on sunday|what time do you "
        "close|"
        "how late are you open today|until what hour can I come in|is the shop open on "
        "weekends|opening time please"
    ),
    "The shop is at 12 River Street, next to the old bridge.": (
        "where are you located|what is your address|how do I find the shop|which street are you on|"
        "can you give me directions to the store|where exactly is your shop|tell me how to get to "
        "you|"
        "is the shop near the bridge"
    ),
    "Shipping is free above 50 dollars; below that it costs 6 dollars.": (
        "how much is shipping|do you charge for delivery|is shipping free|what does delivery cost|"
        "are there shipping fees|what is the price of delivery|do I pay for postage|shipping cost "
        "for a small order"
    ),
    "You can return any item within 30 days with its receipt.": (
        "how do I return an item|can I send something back|what is your return policy|"
        "how long do I have to return a product|I want to give this back|is it possible to return "
        "a gift|"
        "returning an order, how does it work|do you accept returns"
    ),
    "A refund takes five working days to reach your card.": (
        "when do I get my refund|how long does a refund take|where is my money|my refund has not "
        "arrived|"
        "how many days until I am refunded|refund time to my card|I am still waiting for the "
        "refund|"
        "when will the refund show up"
    ),
    "We accept cards, PayPal and cash, but no cheques.": (
        "which payment methods do you accept|can I pay with paypal|do you take credit cards|may I "
        "pay in cash|"
        "can I pay by cheque|how can I pay|what ways of paying are there|is paying by card possible"
    ),
    'Click "Forgot password" on the login page and follow the mail.': (
        "I forgot my password|how do I reset my password|I cannot log in any more|my password "
        "does not work|"
        "how can I change my password|lost my login password|need a new password for my account|"
        "password reset please"
    ),
    "You can cancel an order in your account until it is shipped.": (
        "how do I cancel my order|can I cancel an order|I ordered by mistake|stop my order please|"
        "is it too late to cancel|I want to cancel what I bought|cancelling a purchase, where|"
        "please cancel my last order"
    ),
    'Open "My orders" and press "Track" to see where your parcel is.': (
        "where is my parcel|how can I track my order|has my package been sent|track my shipment|"
        "what is the status of my delivery|my parcel has not come yet|tracking number of my order|"
        "follow my package online"
    ),
    "All our coffee is roasted on Mondays in small batches.": (
        "when do you roast your coffee|how fresh is the coffee|who roasts the beans|are the beans "
        "freshly roasted|"
        "on which day is roasting|how often do you roast|is your coffee roasted in house|roasting "
        "day of the beans"
    ),
    "The loyalty card gives you the tenth cup for free.": (
        "do you have a loyalty card|how does the bonus card work|do I get a free cup|"
        "what do I gain from the loyalty program|is there a stamp card|how many cups until a free "
        "one|"
        "tell me about the loyalty card|is there a reward for regulars"
    ),
    "Yes, dogs are welcome as long as they are on a leash.": (
        "can I bring my dog|are pets allowed|is the shop dog friendly|may my dog come in|do you "
        "allow animals|"
        "what about dogs inside|is it fine to come with a puppy|are dogs welcome"
    ),
    "There is free wifi; the password is on your receipt.": (
        "do you have wifi|what is the wifi password|is there internet in the shop|can I use the "
        "internet|"
        "how do I connect to the wifi|wireless network password|is the wifi free|where do I find "
        "the wifi code"
    ),
    "Parking is behind the house and free for one hour.": (
        "where can I park|is there parking|do you have a car park|is parking free|how long may I "
        "park|"
        "parking place near you|I come by car, where do I leave it|how much is the parking"
    ),
    "Gift cards are sold at the till from 10 dollars upwards.": (
        "do you sell gift cards|can I buy a voucher|how much is a gift card|I want to give a "
        "voucher as a present|"
        "where do I get gift cards|smallest amount on a gift card|vouchers for a friend|are there "
        "gift certificates"
    ),
    "Send your application to jobs@beans.example and we answer in a week.": (
        "are you hiring|do you have any jobs|how do I apply for a job|can I work for you|"
        "where do I send my application|is there a vacancy|I am looking for a job at your shop|do "
        "you need staff"
    ),
}

LIBRARY = {
    "阅览室每天早上八点开到晚上十点，周一闭馆。": (
        "几点开馆|周一开放吗|晚上几点关门|阅览室的开放时间|周末能去看书吗|你们今天营业到几点"
    ),
    "凭身份证在一楼服务台免费办借书证，押金一百元。": (
        "怎么办借书证|办证要押金吗|在哪里办读者证|办卡需要什么证件|没有证可以借书吗|借书卡怎么申请"
    ),
    "每人最多借十本书，借期三十天。": (
        "一次能借几本|书可以借多久|借期是多少天|最多借多少本|借的书什么时候还|能借一个月吗"
    ),
    "在公众号里点“续借”，可以再借十五天。": (
        "怎么续借|书没看完能延期吗|可以续借几天|到期了还想看|在网上能续借吗|续借在哪里操作"
    ),
    "逾期每本每天收两角钱，还书时一起付。": (
        "逾期怎么罚款|还晚了要交钱吗|超期一天多少钱|忘记还书怎么办|罚款怎么付|晚还三天收多少"
    ),
    "丢了书请赔一本同样的，或者付书价的两倍。": (
        "书丢了怎么赔|弄丢借的书怎么办|书损坏要赔多少|找不到借的书了|书被水泡了要赔吗|赔书可以自己买一本吗"
    ),
    "自习座位要在当天早上七点以后在小程序里预约。": (
        "怎么预约座位|自习要预约吗|几点可以抢座位|有自习室吗|座位在哪里预约|今天还有位子吗"
    ),
    "二楼的电脑可以免费上网，每次一小时。": (
        "有电脑可以用吗|能上网吗|用电脑收费吗|电脑在几楼|上网可以用多久|哪里能查资料上网"
    ),
    "打印每张五角，复印机在三楼电梯口。": (
        "可以打印吗|复印多少钱一张|打印机在哪里|彩色打印怎么收费|我想复印身份证|几楼能复印"
    ),
    "少儿馆在一楼东侧，每周六上午有绘本课。": (
        "有儿童区吗|孩子能进来吗|绘本课什么时候|少儿馆在哪|周六有什么活动给小朋友|带小孩看书去几楼"
    ),
    "捐书请送到服务台，我们会发一张捐赠证书。": (
        "怎么捐书|家里的旧书可以捐吗|捐书有证书吗|捐赠的书送到哪|收不收二手书|我想把书送给你们"
    ),
    "还书可以投到门口的还书箱，二十四小时都行。": (
        "晚上能还书吗|还书箱在哪|闭馆了怎么还书|可以自助还书吗|不进馆能还吗|书还到哪里"
    ),
}

ENDINGS = ("{}", "{}?", "hello, {}", "please tell me, {}", "{} thanks", "excuse me, {}?")
CHINESE_ENDINGS = ("{}", "{}？", "请问{}", "你好，{}", "{}呢", "打听一下，{}")

CHINESE = (
    "螃蟹怎么清蒸|王维写过哪些诗|空调漏水是什么原因|郑和到过哪些地方|颈椎疼做什么运动|牛顿三大定律是什么|"
    "西藏适合几月份去|二维码是谁想出来的|微波炉能热鸡蛋吗|钢琴考级有多少级|婴儿多大能喝水|光速是多少|沙漠里怎么找水|"
    "台风的名字怎么来的|雅思要考多少分|围棋的规则|信用卡逾期会怎样|葡萄酒配什么菜|故宫是哪年建成的|大熊猫吃肉吗|"
    "编一个关于狐狸的寓言|新能源车冬天掉电吗|眼睛近视能恢复吗|宋词和元曲有哪些区别|口香糖粘在衣服上|水星离太阳多近|"
    "怎样给照片去背景|公务员考试报名条件|油画和水彩哪个容易|抖音怎么涨粉|春联贴左边还是右边|膝盖响要紧吗|"
    "把这句话改成英文|恒星怎么死亡的|养乌龟用什么水|退休金如何计算|中秋赏月的古诗|喝醉酒怎么解酒|乒乓球发球技巧|"
    "诺贝尔奖有哪些类别"
)
ENGLISH = (
    "which vitamins are in carrots|draft a resignation notice|did Vikings reach America|my cat "
    "refuses to eat|"
    "teach me the rules of cricket|compare Python and Ruby|what makes bread rise|history of the "
    "Berlin wall|"
    "how do bees make honey|name three Greek philosophers|why is my tooth aching|plot a sine "
    "curve|what is a comet|"
    "tips for public speaking|when does winter begin|how many strings has a violin|suggest a "
    "hiking trail|"
    "define photosynthesis|the speed of sound in water|who composed the Four Seasons|how do "
    "submarines dive|"
    "is chess a sport|my phone screen is cracked|what are prime numbers|rhyme something with "
    "orange|"
    "origin of the word robot|what do koalas drink|who discovered radium|explain the offside rule|"
    "how thick is the ice in Antarctica|good stretches for back pain|which metal melts first|"
    "find a synonym for happy|how are clouds formed|what did Einstein win the Nobel prize for|"
    "should I invest in bonds|who was the first woman in space|why are flamingos pink|"
    "calculate the area of a circle|the longest river in Africa"
)
FRAGMENTS = (
    "6号|慕容雪|15除以3得多少|24680|紫色的伞|11月|赵子龙|4月1日是愚人节吗|拨114|六十三岁|asdf|bottle|2031|西安|"
    "第9层|45元|1840年鸦片战争|8只羊|Z=12|1.732|20 minus 8|E5|零下7度|700米|Robert|班车多久一趟|9点见|A4纸多大|"
    "圆周率前10位|11:20 am|yellow|一百个单词|D302次"
)
QUESTIONS = {
    "Chinese": CHINESE.split("|"),
    "English": ENGLISH.split("|"),
    "fragments": FRAGMENTS.split("|"),
}
"""Questions that none of the data can answer, none of them among those that the limit is measured
on.
"""

NAMES = [
    family + name
    for family in "王李张刘陈杨赵黄周吴徐孙"
    for name in (*"伟芳娜敏静磊军", "建国", "小红", "志强", "晓梅")
]
NEW_NAMES = [
    family + name
    for family in ("欧阳", "司马", "诸葛", *"苏叶丁魏")
    for name in (*"雪明婷", "子轩", "秀英")
]
PATTERNS = (
    (
        "我叫{name}，今年{age}岁|{name}，{age}岁|今年{age}岁的{name}",
        "我是{name}，{age}岁|{name}今年{age}岁",
        "{name};{age}",
    ),
    (
        "日期{month}月{day}日|{month}月{day}日怎么写|把{month}月{day}日写短",
        "请把{month}月{day}日改写",
        "{month}-{day}",
    ),
    (
        "帮我查订单{order}的{what}|订单{order}的{what}是什么",
        "请问订单{order}的{what}",
        "{what}:{order}",
    ),
    (
        "order {age} {item}s|I want {age} {item}s|{item}, {age} pieces",
        "please send {age} {item}s",
        "{age} x {item}",
    ),
)
"""Questions of training, of another wording, and the answer."""


class Fold(NamedTuple):
    """What a model is trained on, and what is held out."""

    training: list[Pair]
    held_out: list[Pair]


def worded(table: dict[str, str], endings: tuple[str, ...], folds: int) -> Iterator[Fold]:
    """Hold out two wordings of each question in turn; the others are trained on, three times
    each.
    """
    for fold in range(folds):
        chance = random.Random(fold)
        training = []
        held_out = []
        for answer, wordings in table.items():
            for number, wording in enumerate(wordings.split("|")):
                if number // 2 == fold:
                    held_out.append((wording, answer))
                else:
                    training += [
                        (ending.format(wording), answer) for ending in chance.sample(endings, 3)
                    ]
        chance.shuffle(training)
        yield Fold(training, held_out)


def distinct(draw: Callable[[random.Random], Pair], count: int, seed: int) -> list[Pair]:
    """Return so many drawn pairs, no question twice."""
    chance = random.Random(seed)
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        question, answer = draw(chance)
        pairs[question] = answer
    return list(pairs.items())


def patterns(count: int, names: list[str], *, is_new: bool, seed: int) -> list[Pair]:
    """Return questions whose answers are copied from them, in the wordings of training or in
    others.
    """

    def draw(chance: random.Random) -> Pair:
        wordings, others, answer = chance.choice(PATTERNS)
        values = {
            "name": chance.choice(names),
            "age": chance.randint(2, 69),
            "month": chance.randint(1, 12),
            "day": chance.randint(1, 28),
            "order": chance.randint(1000, 9999),
            "what": chance.choice(("进度", "金额", "地址", "状态")),
            "item": chance.choice(("shirt", "lamp", "chair", "table", "phone", "watch", "jacket")),
        }
        question = chance.choice((others if is_new else wordings).split("|"))
        return question.format(**values), answer.format(**values)

    return distinct(draw, count, seed)


CITIES = (
    "北京 上海 广州 深圳 成都 杭州 武汉 西安 南京 重庆 天津 青岛 大连 厦门 昆明 长沙 郑州 哈尔滨 石家庄 张家界"
).split()
NEW_CITIES = (
    "三亚 拉萨 南宁 海口 贵阳 太原 呼和浩特 乌鲁木齐 齐齐哈尔 西双版纳 攀枝花 景德镇".split()
)
AIRLINES = ("CA", "MU", "CZ", "HU", "3U")
FLIGHTS = (
    "帮{name}订{month}月{day}日{start}到{end}的{flight}航班，{seat}{count}张，手机{phone}",
    "{name}要坐{flight}从{start}飞{end}，{month}月{day}日，{count}张{seat}，电话{phone}",
    "航班{flight}，{start}到{end}，{month}月{day}日出发，乘机人{name}，{seat}，{count}位，联系电话{phone}",
    "我是{name}，{month}月{day}日从{start}去{end}，订{flight}的{seat}{count}张，打{phone}找我",
    "请订票：{flight}，{month}月{day}日，从{start}飞往{end}，{count}张{seat}，{name}，{phone}",
)

TOWNS = (
    "Oslo|Lima|Paris|Berlin|Madrid|Cairo|Tokyo|Boston|"
    "Dublin|Vienna|Prague|Milan|Geneva|Austin|Denver|San Diego|Las Vegas"
).split("|")
NEW_TOWNS = (
    "Reykjavik|New Delhi|Ho Chi Minh City|Wolverhampton|Ulm|Santiago de Chile|Kyoto|Gdansk|Port "
    "Louis|Ottawa"
).split("|")
CUSTOMERS = [
    f"{first} {last}"
    for first in ["Anna", "Peter", "Maria", "John", "Laura", "Tom"]
    for last in ["Berg", "Stone", "Miller", "Rossi", "Park", "Novak", "Klein"]
]
NEW_CUSTOMERS = [
    f"{first} {last}"
    for first in ["Wilhelmina", "Bo", "Guadalupe", "Yusuf", "Ingrid"]
    for last in ["Featherstonehaugh", "Ng", "van der Berg", "O'Connor", "Okonkwo"]
]
PARCELS = (
    "Ship {count} boxes of {item} from {start} to {end} for {name}, order {order}, {speed}",
    "{name} sends {count} boxes of {item}: {start} to {end}, {speed}, order number {order}",
    (
        "Order {order}: {count} boxes of {item}, pick up in {start}, deliver in {end}, customer "
        "{name}, {speed}"
    ),
    (
        "Please take {count} boxes of {item} to {end} by {speed} mail, sender {name} in {start}, "
        "reference {order}"
    ),
)


def flights(count: int, cities: list[str], names: list[str], *, seed: int) -> list[Pair]:
    """Return bookings of flights and their eight fields as JSON."""

    def draw(chance: random.Random) -> Pair:
        start, end = chance.sample(cities, 2)
        values = {
            "name": chance.choice(names),
            "flight": f"{chance.choice(AIRLINES)}{chance.randint(100, 9999)}",
            "start": start,
            "end": end,
            "month": chance.randint(1, 12),
            "day": chance.randint(1, 28),
            "seat": chance.choice(("经济舱", "商务舱", "头等舱")),
            "count": chance.randint(1, 6),
            "phone": f"1{chance.randint(30, 99)}{chance.randint(10_000_000, 99_999_999)}",
        }
        fields = {
            "航班": values["flight"],
            "出发": start,
            "到达": end,
            "日期": f"{values['month']}-{values['day']}",
            "乘机人": values["name"],
            "舱位": values["seat"],
            "张数": values["count"],
            "电话": values["phone"],
        }
        return chance.choice(FLIGHTS).format(**values), json.dumps(fields, ensure_ascii=False)

    return distinct(draw, count, seed)


def parcels(count: int, towns: list[str], names: list[str], *, seed: int) -> list[Pair]:
    """Return orders of parcels and their seven fields as JSON."""

    def draw(chance: random.Random) -> Pair:
        start, end = chance.sample(towns, 2)
        fields = {
            "order": f"{chance.choice('KPX')}{chance.choice('QRT')}-{chance.randint(100, 99_999)}",
            "name": chance.choice(names),
            "start": start,
            "end": end,
            "item": chance.choice(("pears", "tiles", "books", "candles", "lamps")),
            "count": chance.randint(2, 40),
            "speed": chance.choice(("express", "standard", "overnight")),
        }
        return chance.choice(PARCELS).format(**fields), json.dumps(fields)

    return distinct(draw, count, seed)


def data_sets() -> dict[str, list[Fold]]:
    """Return the folds of each data set."""
    return {
        "tea house (Chinese)": [Fold(tea_house(), tea_house("heldout"))],
        "library (Chinese)": list(worded(LIBRARY, CHINESE_ENDINGS, 3)),
        "shop (English)": list(worded(SHOP, ENDINGS, 4)),
        "patterns": [
            Fold(
                patterns(400, NAMES, is_new=False, seed=seed),
                patterns(120, NEW_NAMES, is_new=True, seed=seed + 100),
            )
            for seed in (1, 2)
        ],
    } | {
        f"{name}, {kind} names": [Fold(rows(400, *known, seed=1), rows(100, *held_out, seed=2))]
        for name, rows, known, new in (
            ("flights (Chinese)", flights, (CITIES, NAMES), (NEW_CITIES, NEW_NAMES)),
            ("parcels (English)", parcels, (TOWNS, CUSTOMERS), (NEW_TOWNS, NEW_CUSTOMERS)),
        )
        for kind, held_out in (("known", known), ("new", new))
    }
