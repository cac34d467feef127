"""The words by which the rules of responsible use know what a prompt asks for; stems and categories, nothing more.

A rule about words must name them. They are the mild ones wherever these serve, kept to what people and attackers write
most, in the large languages. A trailing * takes any ending, _ stands between the words of a phrase. Accents, case,
look-alike letters and spacing make no difference (see prompt_text), so each word stands here once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Phrases in which a word means something else; they are taken out before anything is judged.
IDIOMS: Final = """
    naked_mole_rat* naked_eye* naked_tree* naked_branch* naked_flame* naked_bulb* naked_light* naked_truth naked_ape
    naked_twig* naked_rock* naked_wire* naked_steel naked_sword* naked_blade* naked_barley naked_singularit*
    naked_neck naked_oak_tree* naked_beech* naked_birch* naked_oaks shuttle_cock* shuttlecock* blue_footed_boob*
    cocktail_called_sex_on_the_beach sex_on_the_beach_cocktail* nackte_gluhbirn* nackten_gluhbirn* nackte_wahrheit
    nuages_nus mise_a_nu_du_beton mise_a_nu_de_la_facade montana_desnuda roca_desnuda nuda_pietra pietra_nuda
    naked_bike* naked_juice naked_chef naked_gun naked_cake* naked_cat* naked_lady_lil* naked_hull* naked_oat*
    nude_lip* nude_heel* nude_pump* nude_palette* nude_nail* nude_shade* nude_tone* nude_colo* nude_makeup
    nude_make_up
    nude_eyeshadow nude_pink nude_beige nude_manicure nude_shoe* nude_leather nude_stocking* nude_tight* nude_fabric
    baby_blue baby_pink baby_oil baby_grand nude_statue* nude_sculpture* in_nude_tones
    sex_education sex_chromosome* same_sex opposite_sex both_sexes sex_pistols sex_and_the_city single_sex mixed_sex
    sexual_reproduction sexual_dimorphism sexual_selection sexual_health sexual_orientation sexual_harassment
    sexual_education sexual_equality sexual_identity
    cream_pie* sperm_whale* sperm_cell* pussy_willow* pussy_riot puss_in_boots pussy_cat* cock_and_bull
    cock_a_doodle*
    cock_crow* cock_a_hoop stop_cock ball_cock fighting_cock* cock_robin moby_dick dick_tracy dick_van_dyke
    philip_k_dick kinky_hair* kinky_curl* horny_toad* horny_lizard* blue_tit* great_tit* coal_tit* long_tailed_tit*
    nu_jazz nu_metal nu_disco nu_skool nu_wave bare_feet bare_foot bare_hand* bare_tree* bare_branch* bare_wall*
    bare_bone* bottomless_pit* thong_sandal*
    breast_stroke breast_pocket* chicken_breast* turkey_breast* duck_breast* breast_plate* breast_cancer
    breast_feed* breast_milk breast_of_chicken red_breast* robin_s_breast robin_redbreast*
    nackte_fels* nackte_baum* nackte_baume nackte_aste nackter_fels nackten_fuss* nackte_fuss* nackten_auge
    nacktschnecke*
    blossen_auge pieds_nus oeil_nu tete_nue mains_nues a_mains_nues pies_desnudos arbol*_desnudo* ramas_desnudas
    occhio_nudo piedi_nudi mani_nude alberi_nudi pes_nus olho_nu maos_nuas blote_voeten blote_oog naakte_rots*
    ciplak_ayak* ciplak_goz* ciplak_agac* gole_drzew* golym_okiem gole_skaly гол*_дерев* голые_ветк* голыми_руками
    नंगे_पैर नंगे_पाँव नंगे_पांव playing_doctor_s_office mother_and_child_statue
"""
#: The same in scripts that have no blanks.
UNSPACED_IDIOMS: Final = """
    裸足 裸眼 裸麦 裸子植物 裸粉 裸色 裸岩 裸電球 裸木 裸一貫 丸裸の木 裸馬 裸露的岩石 裸の王様 赤裸々 裸禿鼠 裸鼹鼠
    裸鼢鼠
"""

#: Nudity and sex, whatever else a text says.
SEXUAL: Final = """
    옷을_벗* 벗은_성인* braless bra_less
    lewd* woman_s_bare women_s_bare her_bare_chest without_a_stitch softcore topfree clothing_optional fkk a_poil
    벗은_여자* 벗은_남자* 야한* عريان عريانه चुदाई soyunan
    nude nudes nuded nudity nudist* nudism nudie* naked nakedness nekkid nekid nakie noods semi_nude seminude
    stark_nak*
    sex sexes sexx* sexual sexually sexting sexed sextape sexfilm* seggs porn* pr0n pron hentai nsfw xxx erotic*
    erotis*
    topless bottomless undress* unclothed unclad disrob* striptease stripping_off strip_naked lapdance lap_dance
    orgasm* masturb* fellati* cunniling* blowjob* blow_job* handjob* hand_job* cumshot* creampie* ejaculat* foreplay
    threesome* orgy orgies gangbang* bdsm bondage dildo* vibrators genital* penis penises vagina* vulva* clitor*
    labia
    nipple* areola* boob boobs boobies titties nudify* deepnude* uncensored unsensored upskirt* ahegao
    futanari rule34 rule_34 onlyfans camgirl* x_rated r18 r_18 adult_film* adult_content adult_video*
    explicit_content
    fuck* coitus intercourse make_love making_love love_making lovemaking having_sex aroused sexual_act*
    bare_breast* bare_chested_woman bare_bottom* bare_butt* bare_bosom bare_bod* bare_skinned exposed_breast*
    exposed_genital* exposed_bod* exposed_chest exposed_nipple* breasts_exposed breasts_out breasts_visible bare_ass
    chest_exposed no_cloth* without_cloth* without_any_cloth* without_her_cloth* without_his_cloth*
    without_their_cloth*
    not_wearing_any* not_wearing_cloth* wearing_nothing wears_nothing wear_nothing nothing_on wearing_no_cloth*
    clothes_off clothes_removed clothing_removed removed_cloth* sans_cloth* big_breast* large_breast* huge_breast*
    clothesless clothless clothes_free birthday_suit in_the_buff in_the_nude au_naturel in_the_altogether skinny_dip*
    skinnydip* wearing_only_a_smile dressed_in_nothing clad_in_nothing full_frontal nip_slip* spread_legs legs_spread
    spread_eagle* wardrobe_malfunction
    nackt nackte nackter nacktes nackten nacktem nacktheit splitternackt halbnackt entbloss* unbekleidet* ausgezogen*
    nacktfoto* nacktbild* oben_ohne ohne_kleid* geschlechtsverkehr
    nu nue nus nues nudite* denude* deshabill* sans_vetement* sans_habit* sexe sexuel* seins_nus torse_nu_femme
    desnud* sin_ropa sexo sexuales coito encuerad* en_cueros
    nua nuas nudez pelada peladas pelado pelados sem_roupa* transando
    nudo nuda nudi nudita senza_vestit* spogliat* svestit* sesso sessual*
    naakt* bloot ontkleed* uitgekleed* seks* zonder_kleren
    naga_kobiet* naga_dziew* nagi_mezczyz* nagie nagiej nago nagosc goly gola golego bez_ubran* rozebran* seksualn*
    erotyczn* roznegl*
    голый голая голые голое голой голого голых голышом обнажен* нагая нагой нагие нагишом ню раздет* без_одежды секс*
    порно* эротич* сексуальн* интимн* топлес*
    ciplak* nu_kadin uryan soyunuk soyunmus* seksi_ciplak mustehcen
    누드* 알몸* 나체* 벌거벗* 벗은_몸 섹스* 포르노* 야동* 에로* 음란* 성관계* 젖꼭지* 성인물*
    عاري عاريه عاريات عراه عري العري جنس الجنس جنسي جنسيه_صريح* اباحي* بورنو جماع بدون_ملابس بلا_ملابس
    नग्न* नंगा नंगी नंगे नंगापन निर्वस्त्र* अश्लील* सेक्स* कामुक* संभोग* पोर्न* बिना_कपड* निर्वसन
"""
SEXUAL_UNSPACED: Final = """
    ハダカ エッチ えっち
    裸 全裸 ヌード エロ セックス 性交 性的 ポルノ 乳首 おっぱい 猥褻 わいせつ ヘンタイ 変態 はだか アダルトビデオ
    下着を脱 服を脱 情色 色情 性爱 性愛
    做爱 做愛 三级片 乳头 乳頭 一丝不挂 一絲不掛 赤身 脱光 脫光 不穿衣 没穿衣 沒穿衣 淫 嫖 猥亵 无码 無碼 小黄片
"""
#: Words that are sexual unless one of the words behind them stands in the text too.
AMBIGUOUS: Final[Mapping[str, str]] = {
    "breast breasts bosom": "swim* chicken robin cancer feed* turkey duck milk roast* grill* bird* plate armor armour "
    "nurs* mammogra* clinic* doctor medical fried sauce recipe pigeon mother* finch* feather*",
    "cock cocks": "crow* rooster* hen hens farm* barn* dawn bird* feather* poultry weather* yard cockerel pheasant",
    "tit tits": "bird* blue great coal marsh willow feeder nest* garden branch* winter",
    "ass asses": "donkey* wild mule* jesus palm* stable desert african somali biblical graz* field cart bray*",
    "dick": "tracy van whale moby philip cheney richard clark",
    "pussy": "willow* cat* boots kitten*",
    "sperm semen": "whale* cell* microscop* egg* biolog* ovum medical laborator*",
    "horny": "toad* lizard* beak plate* scale* goat* dinosaur* beetle*",
    "hump humping": "camel* whale* road speed mountain*",
    "busen": "meer bucht nordsee jade",
    "tetas tette seins": "sans_objet",
}
#: Nothing to object to by themselves, but with a child.
SUGGESTIVE: Final = """
    sexy sexier sexiest sexiness seductive* seduc* sensual* lingerie* panties panty thong thongs underwear undies
    underpants knickers negligee* bra bras braless busty voluptuous* provocative* lewd* kinky fetish* lust
    lustful lusty horny arousal arousing ecchi pinup pin_up see_through microbikini micro_bikini g_string
    cleavage crotch* buttock* butt moaning flirty flirtatious suggestive_pose sultry playboy wearing_only shirt_off
    pole_dance* pole_dancing strip_club stripper* escort_service wet_shirt wet_t_shirt hot_body thicc twerk*
    half_dressed scantily* skimpy revealing_cloth* revealing_outfit* revealing_dress* barely_clothed barely_dressed
    bedroom_eyes
    reizwasche unterwasche dessous verfuhrerisch* sinnlich* aufreizend* sous_vetement* culotte* seduis* sensuel*
    ropa_interior lenceria bragas provocativ* calcinha* roupa_intima biancheria_intima mutandin* provocant* seducent*
    ondergoed verleidelijk* sexy_pose bielizn* seksown* нижн*_бель* соблазн* трусик* ic_camasir* seksi bastan_cikar*
    속옷* 섹시* 야한* 관능* ملابس_داخليه مثير مثيره مغري* मादक* अंतर्वस्त्र* कामुक*
"""
SUGGESTIVE_UNSPACED: Final = (
    "下着 パンティ セクシー ランジェリー 官能 いやらしい パンツ一丁 性感 内衣 內衣 诱惑 誘惑 挑逗 内裤 內褲 丁字裤"
)
#: Clothes of a beach: nothing to object to, unless they are a child's.
SWIMWEAR: Final = "bikini bikinis swimsuit_pose bikiny 비키니* бикини"

#: Who is a child, in so many words.
MINOR: Final = """
    barely_of_age barely_legal* youngling* little_bro little_sis not_an_adult not_yet_adult just_turned newly_18
    freshly_18 cheer_uniform* scout_uniform*
    child children childs childr childhood childlike childish child_like kid kids kiddo* kiddie* kiddy toddler*
    infant*
    infantil* newborn* babies baby preschool* kindergart* underage* under_age under_aged minor minors juvenile*
    adolescen* teen teens teenage* teenaged teener teeny teenie* preteen* pre_teen* tween tweens tweenage* pubescen*
    prepubescen* puberty schoolgirl* schoolboy* schoolchild* schoolkid* loli lolis lolita* lolicon* shota* shotacon*
    little_girl* little_boy* small_girl* small_boy* young_girl* young_boy* tiny_girl* tiny_boy*
    nymphet* youngster* elementary_school* primary_school* middle_school* junior_high* high_school* highschool*
    grade_school* year_old_girl year_old_boy under_eighteen below_eighteen not_of_age not_yet_of_age of_school_age
    barely_legal barely_eighteen ageplay age_play ddlg abdl age_regress* de_aged deaged deaging de_aging aged_down
    age_down younger_self jailbait* fifth_grad* sixth_grad* seventh_grad* eighth_grad* ninth_grad* tenth_grad*
    th_grade th_grader* th_graders nd_grade* rd_grade* freshman_girl coming_of_age pigtailed_girl girl_child
    boy_child
    daycare day_care nursery_school kinder_garten boyhood girlhood boy_scout* girl_scout* flower_girl* page_boy*
    grundschul* kindergart* kleinkind* kinder kindes kinds kindlich* kindheit madchen* maedchen* schulmadchen
    schuljunge*
    schuler* schueler* minderjahrig* minderjaehrig* jugendlich* saugling* knabe* knaben bub buben teenagerin
    gymnasiast*
    enfant* fillette* garconnet* garcon garcons petite_fille* petit_garcon* bebe bebes mineure mineurs mineures
    ecolier*
    ecoliere* lyceen* collegien* gamin gamine gamins gamines adolescente* ado ados nourrisson* bambin* enfantin*
    petites_filles
    nino nina ninos ninas ninita* ninito* chiquill* chamac* menor_de_edad menores menor_de_idade menores_de*
    colegiala*
    colegial colegiais escolar* quinceaner* muchachita* muchachito* jovencit* chiquita* infancia
    crianca* criancinha* menina* menino* garotinh* novinha* novinho* aluninh*
    bambina* bambino* bambine bambini ragazzin* minorenn* neonat* fanciull* scolarett* scolaresc* liceal*
    bimbo_piccolo
    bimba bimbi bimbe
    kinderen kindje* meisje* jongetje* tiener* minderjarig* peuter* kleuter* puber* schoolmeisje* basisschool*
    dziecko dziecka dzieci dziecie* dziewczynk* chlopczyk* chlopiec chlopca nastolat* nieletni* maloletni* uczennic*
    niemowl* dziewczeta przedszkol* licealist*
    ребенок ребенка ребенку дети детей детский детская детское детские дитя девочк* мальчик* подрост*
    несовершеннолет*
    школьни* малыш* младен* лолит* малолет* дошкол* первоклас* старшекласс*
    devochk* malchik* shkolnits* podrost*
    cocuk* kiz_cocug* kucuk_kiz* erkek_cocu* bebek* ergen* resit_olmayan liseli* ilkokul* ortaokul*
    아이 아이들* 어린이* 아동* 소녀* 소년* 여자아이* 남자아이* 미성년* 아기 아기가 아기들* 유아* 초등학* 중학*
    고등학* 여고생* 남고생* 로리* 십대* 꼬마*
    طفل طفله اطفال طفلي الطفل الطفله الاطفال صبي الصبي قاصر قاصرات القاصر مراهق مراهقه مراهقات المراهق* رضيع* تلميذ*
    طالبه_مدرسه صغيره_السن بنت_صغيره فتاه_صغيره
    बच्चा बच्चे बच्ची बच्चों बच्चियों नाबालिग* शिशु* किशोर* बालक* बालिका* छोटी_लड़की छोटा_लड़का छोटी_लडकी स्कूली*
    joshi_kousei joshikousei jyoshi_kosei shougakusei shogakusei chuugakusei chugakusei seifuku serafuku youjo
"""
MINOR_UNSPACED: Final = """
    子供 子ども こども コドモ 幼女 幼児 児童 園児 小学生 中学生 高校生 女子高生 男子高生 女子校生 未成年 赤ちゃん
    ロリ ショタ ランドセル 十代 少女 少年
    女の子 男の子 ようじょ 幼稚園 小学校 中学校 儿童 兒童 孩子 小孩 女孩 男孩 孩童 幼童 婴儿 嬰兒 初中生 高中生
    国中生 國中生 萝莉 蘿莉 正太 宝宝 寶寶
    青少年 小女生 小男生 女童 男童 校服
"""
#: What may be a child's, refused where nothing may look like one.
YOUTH: Final = """
    freshman freshmen cub cubs no_breasts* no_boobs playing_with_dolls uniformed_pupil scout scouts
    girl girls girly girlie girlish 1girl 2girls 3girls boy boys boyish 1boy 2boys young younger youngest youthful*
    youth youths youngish schoolmate* classmate* school schools schooling schoolroom* schoolyard* classroom* student
    students pupil pupils cheerleader* prom promnight homework sophomore* grader graders kinder lad lads lass lasses
    lassie* laddie* tot tots tyke* cherub* chibi* daughter* son sons stepdaughter* stepson* stepsis* stepbro* niece*
    nephew* grandchild* granddaughter* grandson* sibling* sister sisters brother brothers babysitter* nanny
    playground*
    pacifier* diaper* nappy nappies crib cribs cradle nursery offspring babyface* baby_face* flat_chest* flatchest*
    flat_chested undeveloped underdeveloped developing_bod* budding minor_look* virginal_girl daddy_s_girl
    daddys_girl
    little_one* little_sister* little_brother* mini_me tiny_body small_body child_s child_body childs_body
    prepuberty petite_teen pixie_child fairy_child not_adult non_adult junge jungen jugend tochter sohn schule
    schulerin
    schul* madels mädel madl jeune jeunes jeunette* fille filles fils ecole* eleve eleves joven jovenes chica chicas
    chico
    chicos muchach* hija hijo escuela* colegio alumna* alumno* garota* garoto* moca jovem jovens filha filho aluna
    aluno
    escola* ragazz* giovan* figlia figlio scuola studentess* studente meid meiden jongen* dochter zoon jong jonge
    school* leerling* dziewczyn* corka syn mloda mlody mlodziutk* szkol* uczen девушк* девчонк* девчат* юн* юнош*
    молод*
    дочь дочк* дочери сын сына сынок школ* ученик* ученица* студентк* kiz kizlar kizi oglan genc gencler okul
    ogrenci*
    학생* 교복* 딸 어린* 젊은* 학교* 여동생* 남동생* فتاه فتيات الفتاه بنت بنات البنت ولد اولاد شاب شابه ابنه مدرسه
    طالب طالبه
    लड़की लड़का लड़कियाँ लड़कियां लडकी लडका बेटी बेटा छात्र छात्रा स्कूल विद्यार्थी युवती
    devushka musume shoujo shojo shounen imouto
"""
YOUTH_UNSPACED: Final = """
    学生 學生 制服 学校 學校 娘 妹 姪 若い 若者 年轻 年輕 童 幼い 女儿 女兒 弟 姑娘 小妹 歳未満 才未満 岁以下 歲以下
    未满 未滿
"""
#: Innocent alone; two of them together draw somebody who looks like a child.
SOFT: Final = """
    petite tiny small little innocent* naive cute adorable pigtail* twintail* twin_tail* braces lollipop* teddy
    teddybear* plush* stuffed_animal* doll dolls doll_like dolly virgin virginal hairless slight_build kawaii bashful
    shy
    skinny_frame small_frame fresh_faced freshfaced slim_build daddy princess bunny_ears short_height knee_socks
    bloomers
    pinafore small_breast* tiny_breast* no_curves loose_tooth missing_tooth bubblegum coloring_book first_time
    inexperienced undersized miniature_body zierlich* unschuldig* niedlich* menue innocente* pequena pequeno piccola
    minuta klein kleine onschuldig* mala niewinn* маленьк* невинн* kucuk masum* 작은 귀여운 순진* صغيره بريئه छोटी
    मासूम
"""
#: Words for a child that mean something else in English, and the words of the other tongues that tell.
CHILD_NOUNS: Final = "kind"
OTHER_TONGUES: Final = (
    "ein eine einem einen das der die dem den mit und nackt* naakt* een het van en meisje frau mann sexy"
)

#: Somebody who lives, by what prompts call them; refused in adult jobs.
REAL_PERSON: Final = """
    celebrit* celeb celebs deepfake* deep_fake* lookalike* look_alike* famous_act* famous_sing* famous_wom* famous_m*
    my_ex ex_girlfriend* ex_wife ex_boyfriend* exgirlfriend my_neighbo* my_cowork* my_co_worker* my_colleague*
    my_boss
    my_teacher my_friend* my_roommate* my_cousin* my_aunt* my_mother my_mom my_wife my_girlfriend* my_husband
    my_boyfriend*
    instagram_model* youtuber* tiktoker* influencer* streamer* hollywood_act* movie_star* film_star* pop_star*
    popstar*
    politician* first_lady president queen_elizabeth real_person real_people based_on_a_real resembling faceswap*
    face_swap* bollywood_act* tv_host* news_anchor* news_presenter* beruhmt* prominente celebrite* famosa famoso
    famose
    знаменит* in_the_likeness likeness_of played_by
"""
#: Given names that are no other common word; one of these and a word behind it name a person.
GIVEN_NAMES: Final = """
    emma olivia sophia isabella mia charlotte amelia emily elizabeth ella scarlett chloe eleanor hannah
    lillian natalie nathalie zoe leah audrey stella claire lucy anna caroline kennedy
    samantha maya sarah allison alice sadie hailey eva emilia natalia gabriella julia sophie vivian jessica
    jennifer angelina margot zendaya taylor ariana selena rihanna beyonce katy britney miley billie kim kylie
    kendall gigi cate nicole julianne meryl natasha monica salma penelope shakira megan kate keira sandra halle anne
    michelle melania ivanka hillary kamala angela ursula greta malala diana meghan james john robert michael william
    david richard thomas charles daniel matthew anthony donald steven andrew joshua kevin brian george edward ronald
    timothy jason jeffrey ryan jacob nicholas eric jonathan stephen larry justin benjamin brandon samuel gregory
    alexander patrick dennis tyler aaron henry leonardo brad keanu elon barack vladimir emmanuel narendra
"""
#: What may follow a given name without naming anybody.
NOT_SURNAMES: Final = """
    and or the a an in on at with is of by who to as wearing from sitting standing lying looking style woman man lady
    smiling walking posing dancing laughing
"""

#: Asking for less of these asks for nudity.
NEGATED_CLOTHES: Final = """
    clothes clothing clothed cloth dressed garment* clothings attire sfw safe_for_work censor* fully_clothed cover_up
    kleidung kleider angezogen vetement* habille* ropa vestid* roupa* vestit* abbigliamento kleren kleding ubran*
    одежд*
    одет* giysi* kiyafet* 옷 ملابس कपड*
"""
NEGATED_CLOTHES_UNSPACED: Final = "衣服 服装 服裝 着衣 洋服 穿衣"
#: Asking for less of these asks for somebody younger.
NEGATED_AGE: Final = """
    adult adults adulthood adultlike mature matured maturity grown grown_up* grownup* old older oldest elderly aged
    aging
    ageing age ages middle_aged senior seniors milf milfs breasts breast boobs curves curvy hips pubic* body_hair
    wrinkle* legal_age of_age tall erwachsen* alt alte alter alteres reif* volljahrig* adulte* age* vieux vieille mur
    mure
    majeur* adulto adulta adultos adultas mayor mayores madur* viej* velho velha maior maggiorenn* vecchi* volwassen*
    oud
    oude doros* stara stary stare starz* взросл* стар* зрел* совершеннолет* yetiskin* yasli olgun* 성인* 어른* بالغ*
    ناضج* वयस्क* प्रौढ*
"""
NEGATED_AGE_UNSPACED: Final = "大人 成人 成年 成熟 熟女 年上 老人 老年"

#: Found anywhere inside a file's name: there words run together.
INSIDE_NAMES: Final[Mapping[str, str]] = {
    "sexual": "nude naked nsfw hentai porn nudify undress",
    "minor": "schoolgirl schoolboy lolita lolicon shotacon underage toddler teenag preteen youngteen teengirl "
    "littlegirl younggirl youngboy childlike childbody kidface childface babyface jailbait",
}
